"""Known point sets and laws of the unit sphere, and the metrics of embeddings on it; knows NumPy and SciPy alone.

A change here reruns the theory, every evaluation, and, through the known minima, every training.
"""
