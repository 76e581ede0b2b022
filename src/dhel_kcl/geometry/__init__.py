"""Known point sets and laws of the unit sphere, and the metrics of embeddings on it; knows NumPy and SciPy alone.

``report(z0, z1)`` has all of the metrics at once: has my encoder collapsed? It alone draws (matplotlib, once asked).
A change here reruns the theory, every evaluation, and, through the known minima, every training; of the report nothing.
"""

from dhel_kcl.geometry.collapse import Report as Report
from dhel_kcl.geometry.collapse import report as report
