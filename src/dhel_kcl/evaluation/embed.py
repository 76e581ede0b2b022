"""The frozen network of a run, and what it makes of a split's images: all that the evaluators get.

The encoder is in eval mode and computes in float32. Without a run the features are the raw pixels.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, normalize

from dhel_kcl.data.prepared import Prepared
from dhel_kcl.evaluation.spec import EvaluationSpec
from dhel_kcl.training import cores, device
from dhel_kcl.training.networks import build_encoder, build_projector, read_weights
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.view_source import Batch, Source, open_source

BATCH = 512
"""Images taken from a source at a time."""
ON_A_CORE = 64
"""Images that pass through the network at a time on a processor, so that a layer's output stays in the
core's cache. On a GPU all that were taken do."""
PIXELS = 32
"""Height and width of raw pixels at most."""
SUBSETS = ("train", "validation", "test")

Spaces = dict[str, Tensor]
"""Embeddings (N, d) of N images, float32, by space: "z", the projector's output, and "h", the backbone's features."""
Progress = Callable[[Sequence[Tensor]], Iterable[Tensor]]
"""Hands on the items of a long loop, and may show how far it is."""


class FrozenNetwork:
    """The network of a run on a device: images (B, C, H, W) in [0, 1] to their embeddings.

    Without a run h are the raw pixels, of images larger than 32x32 averaged down to that; z is left out there and
    where training left the projector out.
    """

    def __init__(self, run: Path | None, channels: int, place: torch.device, precision: str = "fp32") -> None:
        """Read it. Raises DamagedError naming a file of the run that is not what it should be."""
        self.place, self.precision = place, precision
        self.encoder: nn.Module = nn.Flatten()
        self.projector: nn.Module | None = None
        self.is_pixels = run is None
        if run is None:
            return
        spec = PretrainSpec.read(str(run / "spec.json"))
        encoder = build_encoder(spec.backbone, channels)
        projector = build_projector(encoder.features, spec.projector_dim)
        read_weights(run / "encoder.safetensors", encoder)
        read_weights(run / "projector.safetensors", projector)
        self.encoder = encoder.to(place).eval()
        if spec.loss["name"] != "supervised":
            self.projector = projector.to(place).eval()

    @torch.no_grad()
    def embed(self, batches: Iterable[Tensor]) -> Spaces:
        """Embeddings of all images of all batches."""
        h, z = [], []
        on_cpu = self.place.type == "cpu"
        for images in (part for batch in batches for part in batch.split(ON_A_CORE if on_cpu else len(batch))):
            small = self.is_pixels and max(images.shape[2:]) > PIXELS
            h.append(self.encoder(adaptive_avg_pool2d(images, PIXELS) if small else images))
            if self.projector:
                z.append(self.projector(h[-1]))
        return ({"z": torch.cat(z)} if z else {}) | {"h": torch.cat(h)}

    def embed_views(self, source: Source, rows: Tensor, augment: Augment, seed: int) -> tuple[Spaces, Spaces]:
        """Embeddings of a first and of a second augmented view of these images (N,) of a source."""
        chunks = enumerate(rows.split(BATCH))
        batches = (Batch(index.numpy(), seed + number) for number, index in chunks)
        pairs = [self.embed([views]) for views in source.views(batches, augment)]
        first, second = (
            {space: torch.cat([pair[space].chunk(2)[k] for pair in pairs]) for space in pairs[0]} for k in range(2)
        )
        return first, second

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """h (B, d) of one batch, computed in the precision of training, as float32."""
        with device.autocast(self.place, self.precision):
            features: Tensor = self.encoder(images)
            return features.float()


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What a frozen network makes of the images of a split: the one argument of every evaluator.

    spec: the evaluation's settings. network, images: what the embeddings are of, for evaluators that need other views.
    classes: of the data set. labels: (N,) of each subset, on the network's device.
    spaces: each subset's images, embedded without augmentation.
    progress: for evaluators whose loops take long.
    """

    spec: EvaluationSpec
    network: FrozenNetwork
    images: dict[str, Source]
    classes: int
    labels: dict[str, Tensor]
    spaces: dict[str, Spaces]
    progress: Progress

    @cached_property
    def features(self) -> dict[str, Tensor]:
        """h of each subset, L2-normalised (N, d)."""
        return {subset: normalize(spaces["h"], dim=1) for subset, spaces in self.spaces.items()}

    @cached_property
    def test_views(self) -> tuple[Spaces, Spaces]:
        """Two augmented views of each test image, embedded when they are first asked for."""
        source = self.images["test"]
        return self.network.embed_views(source, torch.arange(len(source)), self.spec.augment, self.spec.view_seed)


@contextmanager
def arithmetic(threads: int) -> Iterator[None]:
    """Inside, all libraries compute with this number of threads, or as many as there are cores, and CUDA convolves in
    full float32.

    The number counts: sums over parts of a matrix round differently in another number of parts.
    """
    threads = cores.taken(threads)
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    with _in_numpy(threads):
        yield


def _in_numpy(threads: int) -> AbstractContextManager[object]:
    """Inside, NumPy and SciPy compute with this number of threads; where threadpoolctl is not installed, with as many
    as they like."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        return nullcontext()
    return threadpool_limits(threads)


def embed(
    spec: EvaluationSpec, run: Path | None, data: Prepared, split: dict[str, NDArray], progress: Progress = iter
) -> Embeddings:
    """Embeddings of a split's images by the network in the folder `run`, or of the raw pixels without one.

    Raises DamagedError naming a file of the run that is not what it should be.
    """
    place, precision = device.choose(spec.device, spec.precision)
    images = {name: open_source(data, split[name], place, cores.taken(spec.threads), spec.images) for name in SUBSETS}
    labels = {name: torch.from_numpy(data.labels[split[name]]).to(place) for name in SUBSETS}
    network = FrozenNetwork(run, data.channels, place, precision)
    spaces = {name: network.embed(source.plain(BATCH, spec.augment.size)) for name, source in images.items()}
    return Embeddings(spec, network, images, data.classes, labels, spaces, progress)
