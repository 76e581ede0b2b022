"""Whether a device computes what the processor does, without waiting where it should not, in the memory it should take.

Each check takes a device and returns a line that says what it found; it raises AssertionError where something does not
hold, and NotHere where the machine has not what it needs. The tests run all of them on the processor, and on a GPU
where there is one; `benchmarks/gpu.py` does so too, where there is no pytest. They need torch, torchvision, NumPy,
SciPy, safetensors and tqdm, and what these need.
"""

import gc
import itertools
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, multiprocessing, nn
from torch.profiler import ProfilerActivity, profile

from dhel_kcl.data.prepared import Description, Manifest, Prepared, read
from dhel_kcl.data.writing import write_encoded
from dhel_kcl.evaluation.protocol import Report, evaluate
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.files import write_json
from dhel_kcl.registry import resolve
from dhel_kcl.runtime import preflight
from dhel_kcl.training.checkpoint import Store
from dhel_kcl.training.device import Group, Place
from dhel_kcl.training.networks import build_encoder, build_projector, write_weights
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.training.trainer import Pretraining
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.streaming import FEW
from dhel_kcl.views.view_source import Batch, open_source

CPU = torch.device("cpu")
JITTER = {"jitter": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "grey": 0.2}
CROPPED: dict[str, Any] = {"crop_scale": [0.08, 1.0], "flip": 0.5, **JITTER}
GENTLE: dict[str, Any] = {"crop_scale": [0.5, 1.0], "flip": 0.5, "brightness": 0.4, "hue": 0.1, "grey": 0.1}
RECIPES = {
    "cropped": CROPPED,
    "cropped and blurred": CROPPED | {"size": 24, "blur": 0.5, "blur_kernel": 5},
    "padded": {"pad": 4, "flip": 0.5},
    "rotated": {"crop_scale": [0.6, 1.0], "rotation": 15, "brightness": 0.4, "contrast": 0.4},
    "coloured": JITTER,
}
LOSSES: list[dict[str, Any]] = [
    *({"name": name, "temperature": 0.3} for name in ("infonce", "simclr", "dcl")),
    *({"name": "dhel", "form": form, "temperature": 0.1, "energy_weight": 0.5} for form in ("anchor", "mean", "sum")),
    {"name": "simclr", "temperature": 0.01},
    {"name": "kcl", "kernel": "gaussian", "t": 2.0},
    {"name": "kcl", "kernel": "log", "t": 2.0},
    {"name": "kcl", "kernel": "imq", "c": 2.0},
    {"name": "kcl", "kernel": "riesz", "q": 1.0},
    {"name": "kcl", "kernel": "gaussian_riesz", "s": 1.0},
]
SIZES = (16, 300)
"""Batch sizes on both sides of the one from which losses are computed in blocks."""
STEPS = 6
SUBSETS = {"train": (0, 256), "validation": (256, 384), "test": (384, 640), "pretrain": (0, 256)}


class NotHere(Exception):
    """The machine has not what a check needs."""


@contextmanager
def without_waiting(place: torch.device) -> Iterator[None]:
    """Inside, an operation that makes the host wait for a GPU is an error."""
    if place.type != "cuda":
        yield
        return
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@contextmanager
def own_arithmetic() -> Iterator[None]:
    """Inside, cuDNN convolves in float32 and always by the same algorithm; afterwards all is as it was before."""
    threads, cudnn = torch.get_num_threads(), torch.backends.cudnn
    before = {name: getattr(cudnn, name) for name in ("benchmark", "deterministic", "allow_tf32")}
    try:
        cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = False, True, False
        yield
    finally:
        torch.set_num_threads(threads)
        for name, value in before.items():
            setattr(cudnn, name, value)


def difference(ours: Tensor, theirs: Tensor, most: float, what: str) -> float:
    """Largest difference, as a share of the largest of their entries. AssertionError where it is above `most`."""
    ours, theirs = (x.detach().to(CPU, torch.float64) for x in (ours, theirs))
    assert ours.shape == theirs.shape, f"{what}: shapes {tuple(ours.shape)} and {tuple(theirs.shape)}"
    found = float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12))
    assert found <= most, f"{what}: a difference of {found:.2g}, above {most:g}"
    return found


def made(side: int = 16) -> Prepared:
    """640 images of four classes: a slope of the class's direction and colour, under noise."""
    random = np.random.default_rng(0)
    count, labels = 640, np.arange(640) % 4
    slope = np.linspace(0, 120, side)
    slopes = np.stack([slope[None, :] + 0 * slope[:, None], slope[:, None] + 0 * slope[None, :]])[labels % 2]
    colours = np.array([[1.0, 0.5, 0.2], [0.2, 0.5, 1.0]])[labels // 2]
    images = slopes[:, None] * colours[:, :, None, None] + random.integers(0, 60, (count, 3, side, side))
    description = Description("made", "made here", "made here", "none", "none")
    manifest = Manifest(description, (count, 3, side, side), 4, {})
    return Prepared(images.astype(np.uint8), labels, np.zeros(count, np.uint8), manifest)


def split() -> dict[str, np.ndarray]:
    return {name: np.arange(*ends) for name, ends in SUBSETS.items()}


def spec_of(**changes: Any) -> PretrainSpec:
    """A small run on the images that are `made`."""
    training = {"updates": STEPS, "learning_rate": 0.01, "reference_batch_size": 64, "momentum": 0.9}
    content = {
        "dataset": "made",
        "images": "memory",
        "loss": {"name": "dhel", "form": "sum", "temperature": 0.3},
        "batch_size": 64,
        "backbone": {"name": "compact_resnet", "width": 16, "stages": 3},
        "projector_dim": 32,
        "augment": GENTLE,
        "training": training | {"weight_decay": 1e-4, "warmup": 0.1},
        "precision": "fp32",
        "compile": False,
        "device": "auto",
        "processes": 1,
        "threads": 1,
        "seed": 0,
    }
    return PretrainSpec.of(content | changes)


def alone(place: torch.device, precision: str = "fp32") -> Place:
    """The place of a run of one process."""
    return Place(place, precision, Group(place, 1))


def run_of(spec: PretrainSpec, place: Place, side: int = 16) -> Pretraining:
    return Pretraining.build(spec, made(side), split(), place)


def loop(run: Pretraining, losses: list[float]) -> Iterator[None]:
    """The training loop, as `Pretraining.run` has it, a step at a time."""
    place = run.trainer.place
    batches = run.images.batches(run.schedule, 0, place)
    upcoming = next(batches, None)
    while upcoming:
        values = place.group.means(run.trainer.step(*upcoming, run.schedule.learning_rate(len(losses))))
        upcoming = next(batches, None)
        losses.append(values()["loss"])
        yield


def losses_of(run: Pretraining) -> list[float]:
    """Of each step to the end."""
    losses: list[float] = []
    for _ in loop(run, losses):
        pass
    return losses


def check_views(place: torch.device) -> str:
    """Views are those of the processor for the same seed, but for roundings to whole levels that fall otherwise."""
    worst, rare = 0.0, 0.0
    pixels = torch.from_numpy(made(32).images[:64])
    for name, recipe in RECIPES.items():
        augment = Augment(**recipe)
        theirs, ours = (augment(pixels.to(d), torch.Generator().manual_seed(3)).to(CPU) for d in (CPU, place))
        apart = (ours - theirs).abs()
        share = float((apart > 1e-3).double().mean())
        cropped = "crop_scale" in recipe and "rotation" not in recipe  # PIL's crops round twice
        assert share <= (0.01 if cropped else 0), f"{name}: {share:.2%} of the values differ by more than 0.001"
        assert apart.max() <= (0.1 if cropped else 1e-3), f"{name}: a value differs by {apart.max():.2g}"
        worst, rare = max(worst, float(apart.max())), max(rare, share)
    return f"{len(RECIPES)} recipes: at most {rare:.3%} of the values differ by more than 0.001, at most by {worst:.2g}"


def check_streaming(place: torch.device) -> str:
    """Encoded images, decoded by a worker process, give the views that they give on the processor without one."""
    with tempfile.TemporaryDirectory() as folder:
        data = encoded(Path(folder), FEW, 4, (24, 32))
        augment, rows = Augment(**CROPPED | {"size": 16}), np.arange(FEW)
        sources = (open_source(data, rows, d, workers, "streamed") for d, workers in ((place, 1), (CPU, 0)))
        batches = [Batch(np.arange(number, number + 32), seed=number) for number in range(3)]
        for ours, theirs in zip(*(source.views(batches, augment) for source in sources), strict=True):
            apart = difference(ours, theirs, 1e-3, "views")
    return f"three batches of views: differences of at most {apart:.1g}"


def encoded(folder: Path, count: int, distinct: int, shape: tuple[int, int]) -> Prepared:
    """A prepared data set of `count` JPEG files of this height and width, `distinct` ones, soft as photographs."""
    random = np.random.default_rng(0)
    for number in range(distinct):
        coarse = Image.fromarray(random.integers(0, 256, (shape[0] // 8, shape[1] // 8, 3), dtype=np.uint8))
        soft = np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC), np.int16)
        pixels = np.clip(soft + random.integers(-8, 9, soft.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpeg", quality=90)
    files = [folder / f"{number % distinct}.jpeg" for number in range(count)]
    description = Description("made", "made here", "made here", "none", "none")
    write_encoded(folder / "data", files, np.arange(count) % 4, np.zeros(count, np.uint8), description)
    return read(folder / "data")


def check_losses(place: torch.device) -> str:
    """Every loss and its gradients are those of float64 on the processor, and nobody waits for them."""
    worst = 0.0
    for spec, size, negatives, learned in itertools.product(LOSSES, SIZES, ("all", "ids", "mask"), (False, True)):
        values = [
            _loss(spec, size, negatives, learned, d, t) for d, t in ((place, torch.float32), (CPU, torch.float64))
        ]
        what = f"{spec}, M = {size}, negatives {negatives}, {'learned' if learned else 'fixed'} parameters"
        for ours, theirs in zip(*values, strict=True):
            worst = max(worst, difference(ours, theirs, 1e-3, what))
    return f"{len(LOSSES)} losses, 12 cases each: differences of at most {worst:.1g} to float64"


def _loss(
    spec: dict[str, Any], size: int, negatives: str, learned: bool, place: torch.device, dtype: torch.dtype
) -> list[Tensor]:
    """The loss of random embeddings, its gradient, and those of its parameters where they are learned."""
    generator = torch.Generator().manual_seed(size)
    z0 = torch.randn(size, 32, generator=generator, dtype=torch.float64)
    z1 = z0 + torch.randn(size, 32, generator=generator, dtype=torch.float64) / 2
    groups = torch.arange(size).div(2, rounding_mode="floor")
    kept = {"ids": groups, "mask": groups[:, None] != groups} if negatives != "all" else {}
    kept = {name: value.to(place) for name, value in kept.items() if name == negatives}
    numbers = {key: value for key, value in spec.items() if isinstance(value, float)}
    if learned:
        numbers = {key: nn.Parameter(torch.tensor(value, dtype=dtype)) for key, value in numbers.items()}
    loss = resolve("loss", spec["name"])(**{key: value for key, value in spec.items() if key != "name"} | numbers)
    loss, both = loss.to(place), torch.stack([z0, z1]).to(place, dtype).requires_grad_()
    found = [both, *loss.parameters()]
    torch.autograd.grad(loss(*both, **kept), found)  # libraries are loaded
    with without_waiting(place):
        value = loss(*both, **kept)
        value.backward()
    return [value, *(tensor.grad for tensor in found if tensor.grad is not None)]


def check_step(place: torch.device) -> str:
    """Gradients are those of the processor, in float64, since float32's are ill-conditioned at each ReLU; and losses in
    float32 go as there: with small steps, since large ones amplify every rounding."""
    spec = spec_of(augment={key: value for key, value in GENTLE.items() if key != "crop_scale"})
    spec = replace(spec, training=replace(spec.training, learning_rate=0.001))
    with own_arithmetic():
        ours, theirs = (run_of(spec, alone(d)) for d in (place, CPU))
        apart = difference(*(torch.tensor(losses_of(run)) for run in (ours, theirs)), 1e-3, "losses")
        views, labels = next(run_of(spec, alone(CPU)).images.batches(theirs.schedule, 0, alone(CPU)))
        gradients = (_gradients(run_of(spec, alone(d)), views.to(d), labels.to(d)) for d in (place, CPU))
        slope = difference(*gradients, 1e-6, "gradients")
    return f"differences of at most {apart:.1g} in the losses of {STEPS} steps, {slope:.1g} in the gradients in float64"


def _gradients(run: Pretraining, views: Tensor, labels: Tensor) -> Tensor:
    """Of the run's first weights, in float64, one behind the other."""
    loss, _ = run.trainer.network.double()(views.double(), labels)
    loss.backward()
    return torch.cat([p.grad.flatten() for p in run.trainer.model.parameters() if p.grad is not None])


def check_bf16(place: torch.device) -> str:
    """In bf16 the first loss is near that in float32, weights and momentum stay float32, and the loss falls."""
    spec = spec_of()
    spec = replace(spec, training=replace(spec.training, updates=30))
    half, single = run_of(spec, alone(place, "bf16")), run_of(spec, alone(place))
    losses, first = losses_of(half), next(iter(losses_of(single)))
    difference(torch.tensor(losses[0]), torch.tensor(first), 0.02, "loss in bf16 and in float32")
    assert half.trainer.is_finite(), "weights are NaN or infinite"
    kinds = {tensor.dtype for tensor in _tensors(half.trainer.state_dict())}
    assert kinds == {torch.float32}, f"weights and momentum are {kinds}"
    last = float(np.mean(losses[-5:]))
    assert last < losses[0] - 0.3, f"the loss went from {losses[0]:.3f} to {last:.3f} in 30 steps"
    return f"first loss {losses[0]:.4f}, in float32 {first:.4f}; {last:.3f} after 30 steps"


def check_waiting(place: torch.device) -> str:
    """In the training loop, views included, nothing waits for the device but the reading of a step's numbers."""
    for loss in ({"name": "dhel", "temperature": 0.3}, {"name": "kcl", "kernel": "log"}, {"name": "supervised"}):
        steps = loop(run_of(spec_of(loss=loss), alone(place, "bf16" if place.type == "cuda" else "fp32")), [])
        for _ in range(3):  # libraries are loaded, algorithms chosen
            next(steps)
        with without_waiting(place):
            for _ in steps:
                pass
    return "views, both passes, update, numbers: nobody waits"


def check_resume(place: torch.device) -> str:
    """A run goes on from its checkpoint with the state that it had, and ends as one that was never stopped."""
    with own_arithmetic(), tempfile.TemporaryDirectory() as folder:
        whole, store = run_of(spec_of(), alone(place)), Store(Path(folder, "whole.pt"), "same")
        assert whole.run(store)
        stopped, store = run_of(spec_of(), alone(place)), Store(Path(folder, "stopped.pt"), "same")
        assert not stopped.run(store, stop=lambda: stopped.progress.done == STEPS // 2)
        resumed = run_of(spec_of(), alone(place))
        assert resumed.resume(store)
        before, after = (_tensors(run.trainer.state_dict()) for run in (stopped, resumed))
        assert all(x.device == y.device and torch.equal(x, y) for x, y in zip(before, after, strict=True))
        assert resumed.run(store)
        losses = (torch.tensor([row["loss"] for row in run.progress.rows]) for run in (resumed, whole))
        apart = difference(*losses, 0.01, "losses of the epochs")
    return f"the same state; losses of the epochs differ by at most {apart:.1g} in the end"


def _tensors(state: Any) -> list[Tensor]:
    """Those of a nested state, of floating point, in order."""
    if isinstance(state, Tensor):
        return [state] if state.is_floating_point() else []
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list) else []
    return [tensor for part in parts for tensor in _tensors(part)]


def allocated(step: Callable[[], object], place: torch.device) -> int:
    """Most bytes that a step has allocated at a time, beyond what was there before on a processor, in all on a GPU."""
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
        step()
        return torch.cuda.max_memory_allocated(place)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        step()
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    return int(np.cumsum([event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]).max())


def check_memory(place: torch.device) -> str:
    """The estimate before a run is no less than what is taken at most, and not twice as much, but for CUDA's own."""
    on_gpu = place.type == "cuda"
    backbone = {"name": "resnet18", "stem": "small"} if on_gpu else spec_of().backbone
    sizes = {"batch_size": 256, "backbone": backbone} if on_gpu else {"batch_size": 64}
    precision, images = "bf16" if on_gpu else "fp32", SUBSETS["pretrain"][1]
    gc.collect()
    before = torch.cuda.memory_allocated(place) if on_gpu else 0
    spec = spec_of(**sizes)
    needed = preflight.estimate(spec, 3, 32, 4, images, precision, cuda=on_gpu)
    steps = loop(run_of(spec, alone(place, precision), side=32), [])
    for _ in range(3):
        next(steps)
    peak = allocated(lambda: next(steps), place) - before
    if not on_gpu:
        peak += needed.weights + needed.momentum + needed.images
    said = f"{preflight.gigabytes(needed.total)} estimated ({needed}), {preflight.gigabytes(peak)} allocated at most"
    assert peak <= needed.total, f"too little: {said}"
    assert needed.total - needed.overhead <= 2 * peak, f"too much: {said}"
    return said


def check_evaluators(place: torch.device) -> str:
    """Every evaluator finds what it finds on the processor."""
    with own_arithmetic(), tempfile.TemporaryDirectory() as folder:
        spec = spec_of()
        torch.manual_seed(0)
        encoder = build_encoder(spec.backbone, 3)
        write_weights(Path(folder, "encoder.safetensors"), encoder)
        write_weights(Path(folder, "projector.safetensors"), build_projector(encoder.features, spec.projector_dim))
        write_json(Path(folder, "spec.json"), spec.as_dict())
        ours, theirs = (evaluate(_evaluation(d.type), Path(folder), made(), split()) for d in (place, CPU))
    numbers = zip(_numbers(ours).items(), _numbers(theirs).values(), strict=True)
    apart = max(difference(torch.tensor(one), torch.tensor(other), 0.01, what) for (what, one), other in numbers)
    found, expected = _accuracies(ours), _accuracies(theirs)
    for name, accuracy in expected.items():
        assert abs(found[name] - accuracy) <= 2, f"{name}: {found[name]:.1f} and {accuracy:.1f} % of the test images"
    said = ", ".join(f"{name} {found[name]:.1f} and {accuracy:.1f} %" for name, accuracy in expected.items())
    return f"losses, geometry and spectra differ by at most {apart:.1g}; {said}"


def _evaluation(device: str) -> EvaluationSpec:
    head = {"epochs": 8, "batch_size": 64, "learning_rate": 1.0, "momentum": 0.9, "weight_decay": 1e-4}
    content = {"weight_decay": [1e-3], "scaling": ["unit", "standardised"], "neighbours": 5, "histogram_bins": 20}
    content |= {"augmented": head | {"augment": {"pad": 2, "flip": 0.5}}, "view_seed": 0, "augment": CROPPED}
    content["training_pairs"] = 30
    return EvaluationSpec.of(
        content | {"dataset": "made", "precision": "fp32", "device": device, "threads": 1, "images": "memory"}
    )


def _numbers(report: Report) -> dict[str, list[float]]:
    """What is no count of images: cross-entropies, geometry, spectra, and the histograms' cumulative sums."""
    found = {}
    for scaling, probes in report.linear.probes.items():
        scores = probes[0].classification.scores
        found |= {f"cross-entropy, {scaling}, {subset}": [score.cross_entropy] for subset, score in scores.items()}
    assert report.augmented
    found["cross-entropy, augmented"] = [report.augmented.scores["test"].cross_entropy]
    for space, geometry in report.geometry.items():
        kept = {name: value for name, value in vars(geometry).items() if isinstance(value, float)}
        found |= {f"{name} of {space}": [value] for name, value in kept.items()}
        found[f"spectrum of {space}"] = report.spectrum[space].tolist()
        found[f"similarities of {space}"] = np.cumsum(report.similarities[space].density).tolist()
    return found


def _accuracies(report: Report) -> dict[str, float]:
    """On the test images."""
    assert report.augmented
    found = {"augmented probe": report.augmented.scores["test"].accuracy}
    for scaling, probes in report.linear.probes.items():
        found[f"probe, {scaling}"] = probes[0].classification.scores["test"].accuracy
    return found | {"nearest neighbours": report.neighbours["test"]}


def check_processes(place: torch.device) -> str:
    """Two processes that share a run have the same weights, and on GPUs, where all batch normalisation is shared, those
    of one process."""
    if place.type == "cuda" and torch.cuda.device_count() < 2:
        raise NotHere("one process a GPU, and there are not two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with own_arithmetic(), tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_share, (place.type, port, folder), nprocs=2)
        first, second = (torch.load(Path(folder, f"{rank}.pt"), weights_only=True) for rank in range(2))
        assert first["losses"] == second["losses"], "the processes saw other losses"
        for one, other in zip(*(_tensors(state["weights"]) for state in (first, second)), strict=True):
            difference(one, other, 0, "weights of both processes")
        if place.type != "cuda":
            return f"{STEPS} steps by two processes on the processor: the same weights"
        one_process = losses_of(run_of(spec_of(), alone(place)))
        apart = difference(torch.tensor(first["losses"]), torch.tensor(one_process), 1e-3, "losses of one process")
    return f"{STEPS} steps: the same weights in both; losses differ from one process's by at most {apart:.1g}"


def _share(rank: int, kind: str, port: int, folder: str) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    place = torch.device(kind, rank) if kind == "cuda" else CPU
    if kind == "cuda":
        torch.cuda.set_device(place)
    torch.set_num_threads(1)
    with own_arithmetic():
        run = run_of(spec_of(processes=2), Place(place, "fp32", Group(place, 2)))
        losses = losses_of(run)
        weights = {name: tensor.to(CPU) for name, tensor in run.trainer.model.named_parameters()}
    torch.save({"losses": losses, "weights": weights}, Path(folder, f"{rank}.pt"))
    run.trainer.place.group.leave()


CHECKS: dict[str, Callable[[torch.device], str]] = {
    "views": check_views,
    "streaming": check_streaming,
    "losses": check_losses,
    "float32 steps": check_step,
    "bf16 steps": check_bf16,
    "waiting": check_waiting,
    "resuming": check_resume,
    "memory": check_memory,
    "evaluators": check_evaluators,
    "processes": check_processes,
}
