"""From uint8 images to batches of random views, in memory or streamed from encoded files.

May import data. A change here reruns every training and evaluation that draws its images that way.
"""
