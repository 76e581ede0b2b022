"""Real pictures in folders as people have them: pieces of scikit-learn's sample photographs, and its digits."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

PHOTOGRAPHS = {
    name.removesuffix(".jpg"): image
    for name, image in zip(("china.jpg", "flower.jpg"), load_sample_images().images, strict=True)
}


def pieces(name, count, seed=0):
    """Pieces of a photograph, of various sizes."""
    rng, whole = np.random.default_rng(seed), PHOTOGRAPHS[name]
    for _ in range(count):
        height, width = rng.integers(40, 120, 2)
        top, left = rng.integers(0, whole.shape[0] - height), rng.integers(0, whole.shape[1] - width)
        yield Image.fromarray(whole[top : top + height, left : left + width])


def lay_out_photographs(folder, counts, form="jpg"):
    """counts: {"" or the folder of a part: pieces of each photograph}."""
    for number, (part, count) in enumerate(counts.items()):
        for name in PHOTOGRAPHS:
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            for k, piece in enumerate(pieces(name, count, seed=number)):
                piece.save(place / f"{k:03}.{form}")
    return folder


def lay_out_digits(folder, count, first=0):
    """`count` digits as PNG, in folders named by the digit."""
    digits = load_digits()
    for k in range(first, first + count):
        place = folder / str(digits.target[k])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[k] * 15).astype(np.uint8)).save(place / f"{k:04}.png")
    return folder
