"""Data sets in one prepared form: a folder with images.npy, labels.npy, part.npy and manifest.json."""
