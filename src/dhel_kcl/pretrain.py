"""Step 3: pretrain one configuration with one seed.

Writes into --out: spec.json, log.csv (one row an epoch), encoder.safetensors, projector.safetensors, provenance.json.
A killed or stopped job goes on from its last checkpoint under --scratch when the same command is run again.

Example:
    python -m dhel_kcl.pretrain --spec spec.json --data data/digits --split split.npz --out run --scratch scratch/run
"""

import hashlib
import io
import json
import math
import pickle
import signal
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from dhel_kcl import cli, digest
from dhel_kcl import split as splits
from dhel_kcl.augment import Augment
from dhel_kcl.datasets import prepared
from dhel_kcl.files import atomic, exclusive, make_writable, read_json, reading, sha256, write_json, write_rows
from dhel_kcl.losses.base import ContrastiveLoss, on_sphere
from dhel_kcl.models import build_encoder, build_projector, write_weights
from dhel_kcl.provenance import environment
from dhel_kcl.registry import resolve
from dhel_kcl.sgd import MomentumSGD
from dhel_kcl.spec import PretrainSpec

INTERRUPTED = 75
"""Exit status of a job that was asked to stop and left a checkpoint (EX_TEMPFAIL: try again)."""


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """Rate of update number `step` of `steps`: linear warm-up over the share `warmup`, then cosine to 0."""
    warmup_steps = max(1, round(warmup * steps))
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


class Contrastive(nn.Module):
    """Projector and contrastive loss of two views' features."""

    def __init__(self, projector: nn.Module, loss: ContrastiveLoss) -> None:
        super().__init__()
        self.projector, self.loss = projector, loss

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        u, v = on_sphere(*self.projector(features).chunk(2))
        terms = self.loss.terms(u, v)
        parts = {
            "alignment_term": terms.alignment,
            "energy_term": terms.energy,
            "alignment": (u - v).square().sum(dim=1).mean(),
        }
        return terms.loss, parts


class Supervised(nn.Module):
    """Cross-entropy of a linear head on the same features: the floor that sees the labels."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, classes)

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return cross_entropy(self.head(features), labels.repeat(2)), {}


class StopOnSignal:
    """Remembers a request to stop (SIGINT, SIGTERM, SIGUSR1) so that the loop can checkpoint first."""

    def __init__(self) -> None:
        self.received: str | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: Any) -> None:
        self.received = signal.Signals(number).name


def pretrain(
    spec: PretrainSpec,
    data: prepared.Prepared,
    train: Any,
    scratch: Path,
    fingerprint: str,
    checkpoint_seconds: float = 60,
    again: bool = False,
) -> dict[str, Any]:
    """Train one run on the images `train`, resuming from `scratch`/last.pt if it is there.

    The checkpoint is written every `checkpoint_seconds`, when the process is asked to stop, and at the end; with
    `again`, one that was written at the end is not resumed from.

    Returns {"encoder", "projector", "log" (rows), "seconds" (of training), "views"}.
    Raises ArithmeticError for a NaN or infinite loss and ValueError for a batch larger than the training set.
    """
    stop = StopOnSignal()
    training, batch = spec.training, spec.batch_size
    images = torch.from_numpy(data.images[train])
    labels = torch.from_numpy(data.labels[train])
    steps_per_epoch = len(images) // batch
    if steps_per_epoch == 0:
        raise ValueError(f"batch_size {batch} is larger than the training set of {len(images)} images")
    epochs = 0 if spec.loss["name"] == "random" else training["epochs"]
    steps = epochs * steps_per_epoch
    peak = training["learning_rate"] * batch / training["reference_batch_size"]

    torch.manual_seed(spec.seed)
    encoder = build_encoder(spec.backbone, channels=images.shape[1])
    projector = build_projector(encoder.features, spec.projector_dim)
    objective, minimum = build_objective(spec, projector, encoder.features, data.manifest["classes"])
    model = nn.ModuleDict({"encoder": encoder, "objective": objective})
    optimizer = MomentumSGD(model, training["momentum"], training["weight_decay"])
    augment = Augment(**spec.augment)
    generator = torch.Generator().manual_seed(spec.seed)

    first, seconds = 0, 0.0
    log: list[dict[str, Any]] = []
    sums: defaultdict[str, float] = defaultdict(float)
    last: dict[str, float] = {}
    checkpoint = scratch / "last.pt"
    state = read_checkpoint(checkpoint, fingerprint) if checkpoint.is_file() else None
    if state and not (again and state["step"] == steps):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        generator.set_state(state["generator"])
        torch.set_rng_state(state["rng"])
        first, log, last, seconds = state["step"], state["log"], state["last"], state["seconds"]
        sums.update(state["sums"])
        print(f"resuming after step {first} of {steps} from {checkpoint}", file=sys.stderr)

    def save_checkpoint(done: int) -> None:
        if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
            raise ArithmeticError(not_finite("the weights became NaN or infinite", epoch, step, rate, last, checkpoint))
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "generator": generator.get_state(),
            "rng": torch.get_rng_state(),
            "step": done,
            "log": log,
            "sums": dict(sums),
            "last": last,
            "seconds": seconds + time.perf_counter() - started,
        }
        write_checkpoint(checkpoint, fingerprint, state)

    started = saved = time.perf_counter()
    model.train()
    with tqdm(total=steps, initial=first, unit="step", mininterval=1) as progress:
        for done in range(first, steps):
            epoch, step = divmod(done, steps_per_epoch)
            if step == 0 or done == first:
                shuffle = torch.Generator().manual_seed(epoch_seed(spec.seed, epoch))
                order = torch.randperm(len(images), generator=shuffle)
                epoch_started, epoch_first = time.perf_counter(), step
            rate = learning_rate(done, steps, peak, training["warmup"])
            index = order[step * batch : (step + 1) * batch]
            # One forward pass over both views: batch normalisation sees 2M images.
            views = augment(images[index].repeat(2, 1, 1, 1), generator)
            loss, parts = objective(encoder(views), labels[index])
            if not torch.isfinite(loss):
                raise ArithmeticError(not_finite(f"the loss became {loss.item()}", epoch, step, rate, last, checkpoint))
            loss.backward()
            optimizer.step(rate)
            last = {"loss": loss.item(), **{name: part.item() for name, part in parts.items()}}
            for name, value in last.items():
                sums[name] += value
            progress.update()
            if step + 1 == steps_per_epoch:
                means = {name: total / steps_per_epoch for name, total in sums.items()}
                sums.clear()
                log.append(
                    {"epoch": epoch + 1, "step": done + 1, **means}
                    | {"gap": None if minimum is None else means["loss"] - minimum, "learning_rate": rate}
                    | {"views_per_second": 2 * batch * (step + 1 - epoch_first) / (time.perf_counter() - epoch_started)}
                )
                progress.set_postfix(epoch=epoch + 1, loss=f"{means['loss']:.4f}", refresh=False)
            stopped_by = stop.received
            if stopped_by or done + 1 == steps or time.perf_counter() - saved > checkpoint_seconds:
                save_checkpoint(done + 1)
                saved = time.perf_counter()
            if stopped_by and done + 1 < steps:
                progress.write(
                    f"{stopped_by}: checkpoint {checkpoint} written; run the same command to go on", sys.stderr
                )
                raise SystemExit(INTERRUPTED)
    seconds += time.perf_counter() - started
    return {"encoder": encoder, "projector": projector, "log": log, "seconds": seconds, "views": 2 * batch * steps}


def build_objective(
    spec: PretrainSpec, projector: nn.Module, features: int, classes: int
) -> tuple[nn.Module, float | None]:
    """The module that turns features and labels into a loss, and the loss's least value where it is known."""
    name = spec.loss["name"]
    if name in ("supervised", "random"):
        return Supervised(features, classes), None
    parameters = {key: value for key, value in spec.loss.items() if key != "name"}
    loss = resolve("loss", name)(**parameters)
    return Contrastive(projector, loss), loss.minimum(spec.batch_size, spec.projector_dim)


def epoch_seed(seed: int, epoch: int) -> int:
    """Seed of one epoch's shuffle, so that a resumed run needs no record of its place in the order."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{epoch}".encode()).digest()[:7], "big")


def not_finite(what: str, epoch: int, step: int, rate: float, last: dict[str, float], checkpoint: Path) -> str:
    values = ", ".join(f"{name} {value:.6g}" for name, value in last.items())
    before = f"the last finite values were {values}" if last else "no step was finite"
    kept = f"; the checkpoint {checkpoint} is untouched" if checkpoint.is_file() else ""
    return (
        f"{what} in epoch {epoch + 1}, step {step + 1}, learning rate {rate:.4g}; {before}{kept}. "
        "Lower training.learning_rate or raise the temperature in the suite's config"
    )


def write_checkpoint(path: Path, fingerprint: str, state: dict[str, Any]) -> None:
    """Write `state` behind a line with its SHA-256 and one with the fingerprint of the run that it belongs to."""
    content = io.BytesIO()
    torch.save(state, content)
    header = f"{hashlib.sha256(content.getbuffer()).hexdigest()}\n{fingerprint}\n"
    with atomic(path) as file:
        file.write(header.encode())
        file.write(content.getbuffer())


def read_checkpoint(path: Path, fingerprint: str) -> dict[str, Any]:
    """State of an interrupted run. Raises ValueError if it is damaged or belongs to another spec, data or code."""
    remedy = f"delete {path} to start this run over"
    with reading(path, remedy), path.open("rb") as file:
        checksum, owner = file.readline().strip().decode(), file.readline().strip().decode()
        content = file.read()
        if hashlib.sha256(content).hexdigest() != checksum:
            raise ValueError("its content does not have the checksum that it states")
        if owner == fingerprint:
            try:
                state: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
            except pickle.UnpicklingError:  # its message advises to switch weights_only off
                raise ValueError("it holds something other than tensors and plain values") from None
            return state
    raise ValueError(f"the checkpoint {path} is of another config, data set, code or torch version; {remedy}")


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--spec", required=True, help="PretrainSpec as a JSON file or text")
    parser.add_argument("--selected", type=Path, help="selected.json whose hyperparameters complete the spec's loss")
    parser.add_argument("--data", required=True, type=Path, help="prepared data set")
    parser.add_argument("--split", required=True, type=Path, help="split file")
    parser.add_argument("--out", required=True, type=Path, help="run folder to write")
    parser.add_argument("--scratch", required=True, type=Path, help="folder for checkpoints, kept after success")
    parser.add_argument("--code", help="digest of the code that the job was planned with; other code is refused")
    parser.add_argument("--checkpoint-seconds", default=60.0, type=float, help="time between two checkpoints")
    parser.add_argument("--again", action="store_true", help="start over if the checkpoint is of a finished run")
    args = parser.parse_args()

    spec = PretrainSpec.read(args.spec)
    if args.selected:
        spec = replace(spec, loss=read_json(args.selected)["loss"])
    code = digest.of_pretraining(spec.loss, spec.backbone["name"])
    if args.code not in (None, code):
        raise ValueError("the source changed after this job was planned; run the same command again")
    for folder in (args.out, args.scratch):
        make_writable(folder)
    torch.set_num_threads(spec.threads)
    data = prepared.read(args.data)
    train = splits.read(args.split)["train"]
    identity = [spec.as_dict(), data.manifest["sha256"], train.tolist(), code, torch.__version__]
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    with exclusive(args.scratch):
        run = pretrain(spec, data, train, args.scratch, fingerprint, args.checkpoint_seconds, args.again)
        write_json(args.out / "spec.json", spec.as_dict())
        write_rows(args.out / "log.csv", run["log"] or [{"epoch": None}])
        write_weights(args.out / "encoder.safetensors", run["encoder"])
        write_weights(args.out / "projector.safetensors", run["projector"])
        files = ("spec.json", "log.csv", "encoder.safetensors", "projector.safetensors")
        record = environment() | {
            "device": "cpu",
            "precision": spec.precision,
            "threads": torch.get_num_threads(),
            "seed": spec.seed,
            "training_seconds": run["seconds"],
            "views": run["views"],
            "code": code,
            "sha256": {name: sha256(args.out / name) for name in files},
        }
        write_json(args.out / "provenance.json", record)


if __name__ == "__main__":
    cli.run(main)
