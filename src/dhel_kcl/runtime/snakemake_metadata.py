"""What Snakemake knows of how files were made: its records under .snakemake/metadata."""

import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path

STATE = Path(".snakemake")


def record_of(file: str, longest: int) -> Path:
    """Where Snakemake keeps the record of an output, below .snakemake/metadata (or incomplete): a file of its name in
    base64. Where that has more letters than the `longest` name a disk allows, it is cut into pieces that fit: folders
    whose names begin with @, and the file."""
    name, fits = urlsafe_b64encode(file.encode()).decode(), longest - 1
    pieces = [name[start : start + fits] for start in range(0, len(name), fits)]
    return Path(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])


def unrecorded(files: Iterable[str], state: Path = STATE) -> list[str]:
    """Those of the files that are there although Snakemake neither knows how they were made nor that their job was
    interrupted: it would trust them, so ones copied here, or stale ones, would pass for results."""
    # In this order: of a job that ends meanwhile Snakemake writes the one before it removes the other.
    kinds, longest = ("incomplete", "metadata"), os.pathconf(state if state.is_dir() else ".", "PC_NAME_MAX")
    return [
        file
        for file in files
        if Path(file).is_file() and not any((state / kind / record_of(file, longest)).is_file() for kind in kinds)
    ]
