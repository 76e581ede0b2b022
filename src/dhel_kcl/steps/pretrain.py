"""Pretrain one configuration with one seed.

Writes into --out: spec.json, log.csv (one row an epoch), encoder.safetensors, projector.safetensors, provenance.json.
A killed or stopped job goes on from its last checkpoint under --scratch when the same command is run again; one that
was asked to stop (SIGINT, SIGTERM, SIGUSR1, SIGHUP) finishes its step first, and ends with status 75. Where the spec
says processes: n and threads: k, `OMP_NUM_THREADS=<n times k> torchrun --nproc-per-node n -m dhel_kcl pretrain ...`
starts them (torchrun's own number is one thread): they share each batch and compute the loss of all of it; batch
normalisation sees all of it on CUDA, on a CPU each process's share.

Example:
    dhel-kcl pretrain --spec spec.json --data data/digits --split split.npz --out run --scratch scratch/run
"""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dhel_kcl.data import split as splits
from dhel_kcl.files import exclusive, make_writable, read_json, read_text, reading, sha256, write_json
from dhel_kcl.runtime import cli, preflight, science
from dhel_kcl.runtime.allocator import keep_freed_memory, resident_peak
from dhel_kcl.runtime.live_curves import PROGRAMS, LiveCurves, require_package
from dhel_kcl.runtime.progress_bar import ProgressBar
from dhel_kcl.runtime.provenance import environment, planned
from dhel_kcl.runtime.signals import INTERRUPTED, StopRequest
from dhel_kcl.study import layout
from dhel_kcl.training import cores, device
from dhel_kcl.training.checkpoint import Store, fingerprint
from dhel_kcl.training.device import Place
from dhel_kcl.training.networks import write_weights
from dhel_kcl.training.progress import Diverged, Progress
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.training.trainer import Pretraining

REMEDY = "Lower training.learning_rate or raise the temperature in the suite's config"


def arguments() -> argparse.Namespace:
    parser = cli.parser(__doc__)
    parser.add_argument("--spec", required=True, help="PretrainSpec as a JSON file or text")
    parser.add_argument("--selected", type=Path, help="selected.json, whose loss and learning rate complete the spec")
    parser.add_argument("--data", required=True, type=Path, help="prepared data set")
    parser.add_argument("--split", required=True, type=Path, help="split file")
    parser.add_argument("--out", required=True, type=Path, help="run folder to write")
    parser.add_argument("--scratch", required=True, type=Path, help="folder for checkpoints, kept after success")
    cli.add_code(parser)
    parser.add_argument("--checkpoint-seconds", default=60.0, type=float, help="time between two checkpoints")
    parser.add_argument("--again", action="store_true", help="start over if the checkpoint is of a finished run")
    # Not --log: torchrun would take it for one of its own options, shortened.
    parser.add_argument("--live", choices=PROGRAMS, help="write curves for this program into --scratch while training")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.live:
        require_package()
    spec = PretrainSpec.read(args.spec)
    if args.selected:
        with reading(args.selected, "delete it and run again to rebuild it"):
            chosen = read_json(args.selected)
            loss, training = chosen["loss"], replace(spec.training, learning_rate=chosen["learning_rate"])
        spec = replace(spec, loss=loss, training=training)
    code = science.of_pretraining(spec.loss, spec.backbone["name"], spec.images)
    science.check(args.code, code)
    for folder in (args.out, args.scratch):
        make_writable(folder)
    keep_freed_memory()
    data, split = splits.read_with(args.data, args.split, spec.dataset)
    store = Store(args.scratch / "last.pt", fingerprint(spec, data, split, code), args.checkpoint_seconds)

    with exclusive(args.scratch) if device.is_first() else nullcontext(), StopRequest() as stop:
        place = Place.claim(spec.device, spec.precision, spec.processes, spec.threads)
        if place.is_first and (note := cores.shortage(spec.threads, spec.processes)):
            say(note)
        preflight.require(spec, data, len(split[spec.subset]), place, args.scratch)
        run = Pretraining.build(spec, data, split, place)
        resumed = run.resume(store, args.again)
        if resumed and place.is_first:
            say(f"resuming after step {run.progress.done} of {run.progress.steps} from {store.path}")
        path = args.scratch / "origin.json"
        began = origin(path, store.fingerprint, resumed, place.precision) if place.is_first else {}
        finished = train(run, store, stop, args.live)
        seconds = run.progress.seconds
        place.group.leave()
        if not finished:
            raise SystemExit(INTERRUPTED)
        if place.is_first:
            require_alive(run)
            write(args.out, spec, run, began | {"training_seconds": seconds, "code": code})


def train(run: Pretraining, store: Store, stop: StopRequest, live: str | None) -> bool:
    """Train with a progress bar, and with curves if `live` names a program for them; whether it came to the end. What
    went wrong is said with what helps."""
    place = run.trainer.place
    with closing(ProgressBar(run.progress, shown=place.is_first)) as bar, ExitStack() as stack:
        watchers: list[Callable[[Progress], None]] = [bar]
        if live and place.is_first:
            watchers.append(stack.enter_context(closing(LiveCurves(run.progress, store.path.parent))))
        try:
            finished = run.run(store, watchers, stop)
        except Diverged as error:
            kept = f"; the checkpoint {store.path} is untouched" if store.path.is_file() else ""
            raise Diverged(f"{error}{kept}. {REMEDY}") from error
    if not finished and place.is_first:
        who = stop.received or "a request to another process"
        say(f"{who}: checkpoint {store.path} written; run the same command to go on")
    return finished


def require_alive(run: Pretraining) -> None:
    """Raise ValueError if the trained encoder maps images to the zero vector: it has no direction, so that neither
    losses nor measures on the sphere are defined. Looks at the views of the first step."""
    encoder, place = run.trainer.networks.encoder, run.trainer.place
    views, _ = next(run.images.batches(run.schedule, 0, place), (None, None))
    if views is None:  # of a random encoder, whose run has no step
        return
    encoder.eval()
    with torch.no_grad(), place.autocast():
        zero = int((encoder(views) == 0).all(dim=1).sum())
    if zero:
        seen = f"it maps {zero} of {len(views)} views of training images to the zero vector"
        raise ValueError(f"the network died in training: {seen}. {REMEDY}, or its training.warmup")


def say(message: str) -> None:
    print(message, file=sys.stderr)


def write(out: Path, spec: PretrainSpec, run: Pretraining, origin: dict[str, Any]) -> None:
    """Write the run folder; `origin` is what provenance.json says of revision, versions, plan, code and time."""
    write_json(out / "spec.json", spec.as_dict())
    run.progress.write_log(out / "log.csv")
    write_weights(out / "encoder.safetensors", run.trainer.networks.encoder)
    write_weights(out / "projector.safetensors", run.trainer.networks.projector)
    sums = {name: sha256(out / name) for name in layout.TRAINED if name != "provenance.json"}
    write_json(out / "provenance.json", origin | record_of(spec, run) | {"sha256": sums})


def origin(path: Path, fingerprint: str, resumed: bool, precision: str) -> dict[str, Any]:
    """Revision, versions and plan of the job that began the run; one that goes on with it, or finds it finished, reads
    them at `path`. Raises ValueError if that one took another precision, as "auto" may on another GPU."""
    if resumed and path.is_file():
        with reading(path, f"delete {path.parent}; the training then starts over"):
            kept = json.loads(read_text(path))  # whose remedy is not read_json's
            same, before, began = kept["run"] == fingerprint, kept.get("precision", precision), dict(kept["began"])
        if same and before != precision:
            raise ValueError(
                f"{path.parent} was begun in {before}, and this device would go on in {precision}: take one like the "
                f"first (under Slurm: gpu_model), or delete {path.parent} and set a `precision` that every device has"
            )
        if same:
            return began
    began = environment() | planned()
    write_json(path, {"run": fingerprint, "began": began, "precision": precision})
    return began


def record_of(spec: PretrainSpec, run: Pretraining) -> dict[str, Any]:
    """How the run was computed."""
    place = run.trainer.place
    on_cuda = place.device.type == "cuda"
    return {
        "device": place.device.type,
        "gpu": device.name(place.device),
        "precision": place.precision,
        "compile": spec.compile,
        "processes": spec.processes,
        "threads": torch.get_num_threads(),
        "peak_memory_bytes": torch.cuda.max_memory_allocated(place.device) if on_cuda else resident_peak(),
        "seed": spec.seed,
        "views": run.progress.views,
    }
