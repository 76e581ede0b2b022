"""Where a run is kept while it lasts: one file that a killed run goes on from, and that no other run takes for its own.

The first line is the SHA-256 of the content, the second the fingerprint of the run that it belongs to.
"""

import hashlib
import io
import json
import pickle
import time
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from dhel_kcl.data.prepared import Prepared
from dhel_kcl.files import atomic, reading
from dhel_kcl.training.spec import PretrainSpec

FINISHED = "finished"
"""Behind the fingerprint of a run that came to its end."""


def fingerprint(spec: PretrainSpec, data: Prepared, split: dict[str, NDArray], code: str) -> str:
    """What tells runs apart: spec, content of the data set, images trained on, digest of the code, torch's version."""
    identity = [spec.as_dict(), data.manifest.sha256, split["pretrain"].tolist(), code, torch.__version__]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


class Store:
    """The checkpoint of the run with this fingerprint. It is due every `seconds`, from now on."""

    def __init__(self, path: Path, fingerprint: str, seconds: float = 60.0) -> None:
        self.path, self.fingerprint, self.seconds = path, fingerprint, seconds
        self._saved = time.perf_counter()

    @property
    def is_due(self) -> bool:
        return time.perf_counter() - self._saved > self.seconds

    def write(self, state: dict[str, Any], finished: bool) -> None:
        """Replace what is there by tensors and plain values; at every moment one of the two is there, complete."""
        content = io.BytesIO()
        torch.save(state, content)
        owner = f"{self.fingerprint} {FINISHED}" if finished else self.fingerprint
        header = f"{hashlib.sha256(content.getbuffer()).hexdigest()}\n{owner}\n"
        with atomic(self.path) as file:
            file.write(header.encode())
            file.write(content.getbuffer())

    def postpone(self) -> None:
        """Count the time to the next checkpoint from now."""
        self._saved = time.perf_counter()

    def read(self, again: bool = False) -> dict[str, Any] | None:
        """State of this run, None where there is none to go on from.

        Nothing is lost where another spec, data or code was trained to its end, nor, with `again`, this one: None too.
        Raises ValueError if the file is damaged, or if the run of another spec, data or code was interrupted.
        """
        remedy = f"delete {self.path} to start this run over"
        if not self.path.is_file():
            return None
        with reading(self.path, remedy), self.path.open("rb") as file:
            checksum, (owner, *end) = file.readline().strip().decode(), file.readline().decode().split() or [""]
            content = file.read()
            if hashlib.sha256(content).hexdigest() != checksum:
                raise ValueError("its content does not have the checksum that it states")
            own, finished = owner == self.fingerprint, end == [FINISHED]
            if finished and (again or not own):
                return None
            if own:
                return _state(content)
        raise ValueError(f"the checkpoint {self.path} is of another config, data set, code or torch version; {remedy}")


def _state(content: bytes) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(content), "cpu", weights_only=True)
    except pickle.UnpicklingError:  # its message advises to switch weights_only off
        raise ValueError("it holds something other than tensors and plain values") from None
    return state
