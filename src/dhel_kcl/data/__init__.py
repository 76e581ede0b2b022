"""Data sets: what is known of each (catalogue), how it is had (sources, download, archives), prepared and split.

Imports nothing else of the package but `registry` and `files`. A change of a source, or of what sources import,
prepares its data sets again and, where that gives other bytes, all that follows; a change of `prepared` or `split`
reruns what reads them; a change of `catalogue` or `fetching` reruns nothing.
"""
