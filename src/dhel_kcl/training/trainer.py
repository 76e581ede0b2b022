"""Step 3: pretrain one configuration with one seed.

Writes into --out: spec.json, log.csv (one row an epoch), encoder.safetensors, projector.safetensors, provenance.json.
A killed or stopped job goes on from its last checkpoint under --scratch when the same command is run again. Where the
spec says processes: n, `torchrun --nproc-per-node n -m dhel_kcl.training.trainer ...` starts them: they share each batch and
compute the loss of all of it; batch normalisation sees all of it on CUDA, on a CPU each process's share.

Example:
    python -m dhel_kcl.training.trainer --spec spec.json --data data/digits --split split.npz --out run --scratch scratch/run
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
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from dhel_kcl.data import prepared
from dhel_kcl.data import split as splits
from dhel_kcl.losses.base import ContrastiveLoss, gathered, on_sphere
from dhel_kcl.registry import resolve
from dhel_kcl.runtime import cli, digest
from dhel_kcl.runtime.allocator import keep_freed_memory
from dhel_kcl.runtime.files import atomic, exclusive, make_writable, read_json, reading, sha256, write_json, write_rows
from dhel_kcl.runtime.provenance import environment
from dhel_kcl.training import device
from dhel_kcl.training.networks import build_encoder, build_projector, write_weights
from dhel_kcl.training.optimiser import MomentumSGD
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.views import view_source as images
from dhel_kcl.views.augment import Augment

INTERRUPTED = 75
"""Exit status of a job that was asked to stop and left a checkpoint (EX_TEMPFAIL: try again)."""

LARGE = 1_000_000
"""Parameters of an encoder from which on its run is estimated to fit the memory, which takes seconds."""


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
        z = self.projector(features).chunk(2)
        u, v = on_sphere(*(gathered(*z) if self.loss.gather else z))
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


class Model(nn.Module):
    """Encoder and objective: views (2M, C, H, W) and labels (M,) to the loss and its parts."""

    def __init__(self, encoder: nn.Module, objective: nn.Module) -> None:
        super().__init__()
        self.encoder, self.objective = encoder, objective

    def forward(self, views: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return self.objective(self.encoder(views), labels)


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
    split: dict[str, NDArray],
    scratch: Path,
    fingerprint: str,
    checkpoint_seconds: float = 60,
    again: bool = False,
) -> dict[str, Any]:
    """Train one run on the split's images, resuming from `scratch`/last.pt if it is there.

    The checkpoint is written every `checkpoint_seconds`, when the process is asked to stop, and at the end; with
    `again`, one that was written at the end is not resumed from.

    Returns {"encoder", "projector", "log" (rows), "seconds" (of training), "views", and where and how it was computed}.
    Raises ArithmeticError for a NaN or infinite loss and ValueError for a batch larger than the training set.
    """
    stop = StopOnSignal()
    training, batch = spec.training, spec.batch_size
    place, precision = device.resolve(spec.device, spec.precision)
    group = device.Group(place, spec.processes)
    rows = split["train" if spec.loss["name"] == "supervised" else "pretrain"]
    labels = torch.from_numpy(data.labels[rows]).to(place)
    steps_per_epoch = len(rows) // batch
    if steps_per_epoch == 0:
        raise ValueError(f"batch_size {batch} is larger than the training set of {len(rows)} images")
    epochs = 0 if spec.loss["name"] == "random" else training["epochs"]
    steps = epochs * steps_per_epoch
    peak = training["learning_rate"] * batch / training["reference_batch_size"]

    torch.backends.cudnn.benchmark = True
    torch.manual_seed(spec.seed)
    encoder = build_encoder(spec.backbone, data.channels)
    projector = build_projector(encoder.features, spec.projector_dim)
    objective, minimum = build_objective(spec, projector, encoder.features, data.classes)
    if place.type == "cuda" or sum(parameter.numel() for parameter in encoder.parameters()) > LARGE:
        memory = import_module(
            "dhel_kcl.runtime.preflight"
        )  # not by `import`: what it does changes no result, so no digest
        memory.require(spec, data, len(rows), place, precision, scratch)
    source = images.open_source(data, rows, place, spec.threads)
    model = Model(encoder, objective).to(place)
    network, model = distributed(model, place, spec.processes)
    if spec.compile:
        encoder.compile()
    optimizer = MomentumSGD(model, training["momentum"], training["weight_decay"])
    augment = Augment(**spec.augment)

    first, seconds = 0, 0.0
    log: list[dict[str, Any]] = []
    sums: defaultdict[str, float] = defaultdict(float)
    last: dict[str, float] = {}
    checkpoint = scratch / "last.pt"
    state = read_checkpoint(checkpoint, fingerprint) if checkpoint.is_file() else None
    if state and not (again and state["step"] == steps):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, log, last, seconds = state["step"], state["log"], state["last"], state["seconds"]
        sums.update(state["sums"])
        print(f"resuming after step {first} of {steps} from {checkpoint}", file=sys.stderr)

    def save_checkpoint(done: int) -> None:
        if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
            raise ArithmeticError(not_finite("the weights became NaN or infinite", epoch, step, rate, last, checkpoint))
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": done,
            "log": log,
            "sums": dict(sums),
            "last": last,
            "seconds": seconds + time.perf_counter() - started,
        }
        if group.rank == 0:
            write_checkpoint(checkpoint, fingerprint, state, finished=done == steps)

    @lru_cache(2)
    def order(epoch: int) -> Tensor:
        return torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed_of(spec.seed, "epoch", epoch)))

    def index_of(done: int) -> Tensor:
        epoch, step = divmod(done, steps_per_epoch)
        return order(epoch)[step * batch : (step + 1) * batch]

    def batches() -> Iterator[images.Batch]:
        for done in range(first, steps):
            seed = seed_of(spec.seed, "step", done)
            yield images.Batch(index_of(done).numpy(), seed, rank=group.rank, world=group.world)

    started = saved = time.perf_counter()
    model.train()
    views = source.views(batches(), augment)
    upcoming = next(views, None)
    with tqdm(total=steps, initial=first, unit="step", mininterval=1, disable=group.rank > 0) as progress:
        for done in range(first, steps):
            epoch, step = divmod(done, steps_per_epoch)
            if step == 0 or done == first:
                epoch_started, epoch_first = time.perf_counter(), step
            rate = learning_rate(done, steps, peak, training["warmup"])
            with device.autocast(place, precision):
                # One forward pass over both views: batch normalisation sees 2M images.
                loss, parts = network(upcoming, labels[index_of(done).chunk(group.world)[group.rank].to(place)])
            loss.backward()
            optimizer.step(rate)
            # A GPU is still at this step when the next batch is queued.
            upcoming = next(views, None)
            values = group.mean(torch.stack([loss, *parts.values()]).detach()).tolist()
            if not math.isfinite(values[0]):
                raise ArithmeticError(not_finite(f"the loss became {values[0]}", epoch, step, rate, last, checkpoint))
            last = dict(zip(["loss", *parts], values, strict=True))
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
            signalled = stop.received
            stopping = group.any(signalled is not None)
            if stopping or done + 1 == steps or time.perf_counter() - saved > checkpoint_seconds:
                save_checkpoint(done + 1)
                saved = time.perf_counter()
            if stopping and done + 1 < steps:
                progress.write(
                    f"{signalled}: checkpoint {checkpoint} written; run the same command to go on", sys.stderr
                )
                raise SystemExit(INTERRUPTED)
    seconds += time.perf_counter() - started
    run = {"encoder": encoder, "projector": projector, "log": log, "seconds": seconds, "views": 2 * batch * steps}
    record = {
        "device": place.type,
        "gpu": device.name(place),
        "precision": precision,
        "compile": spec.compile,
        "processes": group.world,
        "threads": torch.get_num_threads(),
        "peak_memory_bytes": torch.cuda.max_memory_allocated(place) if place.type == "cuda" else None,
    }
    group.leave()
    return run | {"record": record}


def distributed(model: Model, place: torch.device, processes: int) -> tuple[nn.Module, Model]:
    """The module to call, whose gradients are shared by all processes, and the module that holds the weights."""
    if processes == 1:
        return model, model
    if place.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return DistributedDataParallel(model, [place] if place.type == "cuda" else None), model


def build_objective(
    spec: PretrainSpec, projector: nn.Module, features: int, classes: int
) -> tuple[nn.Module, float | None]:
    """The module that turns features and labels into a loss, and the loss's least value where it is known."""
    name = spec.loss["name"]
    if name in ("supervised", "random"):
        return Supervised(features, classes), None
    parameters = {key: value for key, value in spec.loss.items() if key != "name"}
    loss = resolve("loss", name)(**parameters, gather=spec.processes > 1)
    return Contrastive(projector, loss), loss.minimum(spec.batch_size, spec.projector_dim)


def seed_of(seed: int, what: str, number: int) -> int:
    """Seed of one epoch's order or one step's views: a resumed run needs no record of what was drawn before."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{what}/{number}".encode()).digest()[:7], "big")


def not_finite(what: str, epoch: int, step: int, rate: float, last: dict[str, float], checkpoint: Path) -> str:
    values = ", ".join(f"{name} {value:.6g}" for name, value in last.items())
    before = f"the last finite values were {values}" if last else "no step was finite"
    kept = f"; the checkpoint {checkpoint} is untouched" if checkpoint.is_file() else ""
    return (
        f"{what} in epoch {epoch + 1}, step {step + 1}, learning rate {rate:.4g}; {before}{kept}. "
        "Lower training.learning_rate or raise the temperature in the suite's config"
    )


def write_checkpoint(path: Path, fingerprint: str, state: dict[str, Any], finished: bool) -> None:
    """Write `state` behind a line with its SHA-256 and one with the fingerprint of the run that it belongs to."""
    content = io.BytesIO()
    torch.save(state, content)
    owner = f"{fingerprint} finished" if finished else fingerprint
    header = f"{hashlib.sha256(content.getbuffer()).hexdigest()}\n{owner}\n"
    with atomic(path) as file:
        file.write(header.encode())
        file.write(content.getbuffer())


def read_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """State of this run; None where another spec, data or code was trained to its end, so that nothing is lost.

    Raises ValueError if it is damaged, or if the run of another spec, data or code was interrupted.
    """
    remedy = f"delete {path} to start this run over"
    with reading(path, remedy), path.open("rb") as file:
        checksum, (owner, *finished) = file.readline().strip().decode(), file.readline().decode().split() or [""]
        content = file.read()
        if hashlib.sha256(content).hexdigest() != checksum:
            raise ValueError("its content does not have the checksum that it states")
        if owner == fingerprint:
            try:
                state: dict[str, Any] = torch.load(io.BytesIO(content), "cpu", weights_only=True)
            except pickle.UnpicklingError:  # its message advises to switch weights_only off
                raise ValueError("it holds something other than tensors and plain values") from None
            return state
        if finished == ["finished"]:
            return None
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
    code = digest.of_pretraining(spec.loss, spec.backbone["name"], spec.dataset)
    if args.code not in (None, code):
        raise ValueError("the source changed after this job was planned; run the same command again")
    for folder in (args.out, args.scratch):
        make_writable(folder)
    torch.set_num_threads(spec.threads)
    keep_freed_memory()
    data = prepared.read(args.data)
    split = splits.read(args.split)
    identity = [spec.as_dict(), data.manifest.sha256, split["pretrain"].tolist(), code, torch.__version__]
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    with exclusive(args.scratch) if device.is_first() else nullcontext():
        run = pretrain(spec, data, split, args.scratch, fingerprint, args.checkpoint_seconds, args.again)
        if not device.is_first():
            return
        write_json(args.out / "spec.json", spec.as_dict())
        write_rows(args.out / "log.csv", run["log"] or [{"epoch": None}])
        write_weights(args.out / "encoder.safetensors", run["encoder"])
        write_weights(args.out / "projector.safetensors", run["projector"])
        files = ("spec.json", "log.csv", "encoder.safetensors", "projector.safetensors")
        record = environment() | run["record"]
        record |= {
            "seed": spec.seed,
            "training_seconds": run["seconds"],
            "views": run["views"],
            "code": code,
            "sha256": {name: sha256(args.out / name) for name in files},
        }
        write_json(args.out / "provenance.json", record)


if __name__ == "__main__":
    cli.run(main)
