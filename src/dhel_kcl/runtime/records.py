"""What Snakemake knows of how files were made: its records under .snakemake/metadata."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path

LONGEST = 254
"""Letters of a record's name that go into one path component, behind an @ but for the last."""
STATE = Path(".snakemake")


def record_of(file: str) -> Path:
    """Where Snakemake keeps the record of an output, below .snakemake/metadata (or incomplete)."""
    name = urlsafe_b64encode(file.encode()).decode()
    pieces = [name[start : start + LONGEST] for start in range(0, len(name), LONGEST)]
    return Path(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])


def unrecorded(files: Iterable[str], state: Path = STATE) -> list[str]:
    """Those of the files that are there although Snakemake neither knows how they were made nor that their job was
    interrupted: it would trust them, so ones copied here, or stale ones, would pass for results."""
    kinds = ("metadata", "incomplete")
    return [
        file
        for file in files
        if Path(file).is_file() and not any((state / kind / record_of(file)).is_file() for kind in kinds)
    ]
