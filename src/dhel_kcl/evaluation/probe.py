"""Step 4: evaluate one run's frozen encoder: linear probes, nearest neighbours, geometry, spectrum, similarities.

Protocol: encoder in eval mode and float32. Features h of the backbone are computed once, without augmentation, and
L2-normalised; a logistic regression and a vote of nearest neighbours are fitted on the training images. Where the spec
says `augmented`, a linear head on h is trained besides, by SGD on augmented training images, as in the released
training code, and its accuracy is the one reported. Geometry is measured on the L2-normalised test-image embeddings z
(projector output, unless the run has no trained projector) and h; alignment on two augmented views of the test images,
drawn by a fixed seed.

Writes into --out: probe.json, predictions.csv, geometry.json, spectrum.csv, similarities.csv. With --transfer, writes
probe.json's content for another data set into the file --out, and nothing else.

Example:
    python -m dhel_kcl.evaluation.probe --spec probe.json --run run --data data/digits --split split.npz --out run
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, normalize
from tqdm import tqdm

from dhel_kcl.data import prepared
from dhel_kcl.data import split as splits
from dhel_kcl.geometry import metrics
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.allocator import keep_freed_memory
from dhel_kcl.runtime.files import write_json, write_rows
from dhel_kcl.training import device
from dhel_kcl.training.networks import build_encoder, build_projector, read_weights
from dhel_kcl.training.optimiser import MomentumSGD
from dhel_kcl.training.spec import PretrainSpec, ProbeSpec
from dhel_kcl.views import view_source as sources
from dhel_kcl.views.augment import Augment

BATCH = 512
"""Images embedded at a time."""
PIXELS = 32
"""Height and width of raw pixels at most."""
PARTS = ("train", "validation", "test")


def fit_linear(features: Tensor, labels: Tensor, classes: int, weight_decay: float) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression: least mean cross-entropy + weight_decay / 2 ||W||^2, by L-BFGS in float64.

    Args:
        features: shape (N, d).
        labels: shape (N,), in 0 ... classes - 1.
        weight_decay: > 0, which makes the problem strictly convex in W and its solution independent of any seed.

    Returns:
        Weights (d, classes) and bias (classes,), float64.
    """
    from scipy.optimize import minimize

    features, dim = features.double(), features.shape[1]

    def objective(flat: NDArray) -> tuple[float, NDArray]:
        parameters = torch.from_numpy(flat).to(features.device).requires_grad_()
        weight, bias = parameters[:-classes].view(dim, classes), parameters[-classes:]
        loss = cross_entropy(features @ weight + bias, labels) + weight_decay / 2 * weight.square().sum()
        (gradient,) = torch.autograd.grad(loss, parameters)
        return loss.item(), gradient.cpu().numpy()

    options = {"maxiter": 10_000, "maxfun": 20_000, "gtol": 1e-7, "ftol": 0, "maxcor": 20}
    solution = minimize(objective, np.zeros((dim + 1) * classes), jac=True, method="L-BFGS-B", options=options)
    parameters = torch.from_numpy(solution.x).to(features.device)
    return parameters[:-classes].view(dim, classes), parameters[-classes:]


def scores(logits: dict[str, Tensor], labels: dict[str, Tensor]) -> dict[str, Any]:
    """Accuracy (%), mean cross-entropy (nats) and number of images of each part."""
    return {
        name: {
            "accuracy": 100 * (logits[name].argmax(dim=1) == labels[name]).double().mean().item(),
            "cross_entropy": cross_entropy(logits[name], labels[name]).item(),
            "images": len(labels[name]),
        }
        for name in logits
    }


def linear_probe(
    features: dict[str, Tensor], labels: dict[str, Tensor], classes: int, weight_decay: float
) -> dict[str, Tensor]:
    """Logits (N, classes) of each part's features (N, d) by a regression fitted on those of "train"."""
    weight, bias = fit_linear(features["train"], labels["train"], classes, weight_decay)
    return {name: part.double() @ weight + bias for name, part in features.items()}


def nearest_neighbours(
    features: dict[str, Tensor], labels: dict[str, Tensor], classes: int, neighbours: int
) -> dict[str, float]:
    """Accuracy (%) on validation and test of the vote of the `neighbours` training images of highest cosine.

    features: unit vectors (N, d) of each part. Ties between classes go to the one of least index.
    """
    result = {}
    for name in ("validation", "test"):
        votes = []
        for part in features[name].split(1024):
            nearest = (part @ features["train"].T).topk(min(neighbours, len(features["train"])), dim=1).indices
            ones = torch.zeros(len(part), classes, device=part.device)
            votes.append(ones.scatter_add_(1, labels["train"][nearest], torch.ones_like(nearest, dtype=ones.dtype)))
        # The first of equal maxima; argmax promises none in particular.
        counts = torch.cat(votes)
        predictions = (counts == counts.amax(dim=1, keepdim=True)).int().argmax(dim=1)
        result[name] = 100 * (predictions == labels[name]).double().mean().item()
    return result


def train_head(
    features: Callable[[Tensor], Tensor],
    source: sources.Source,
    labels: Tensor,
    classes: int,
    settings: dict[str, Any],
    seed: int,
) -> nn.Linear:
    """Linear head on the frozen encoder's features of augmented images, from zero, by SGD with a linear decay to 0.

    Args:
        features: function from images (B, C, H, W) to (B, d), without gradient.
        source, labels: the training images and their labels (N,).
        settings: epochs, batch_size, learning_rate, momentum, weight_decay, augment.
        seed: of the order of the images and of their augmentation.
    """
    generator = torch.Generator().manual_seed(seed)
    batch = min(settings["batch_size"], len(labels))
    steps_per_epoch = len(labels) // batch
    steps = settings["epochs"] * steps_per_epoch
    epochs = [torch.randperm(len(labels), generator=generator) for _ in range(settings["epochs"])]
    order = torch.cat([epoch[: steps_per_epoch * batch] for epoch in epochs]).split(batch)
    batches = (sources.Batch(index.numpy(), seed + step, copies=1) for step, index in enumerate(order))
    views = source.views(batches, Augment(**settings["augment"]))
    head: nn.Linear | None = None
    for step, index in enumerate(tqdm(order, unit="step", mininterval=1)):
        h = features(next(views))
        if head is None:
            head = nn.Linear(h.shape[1], classes, device=h.device)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
            optimizer = MomentumSGD(head, settings["momentum"], settings["weight_decay"])
        cross_entropy(head(h), labels[index.to(labels.device)]).backward()
        optimizer.step(settings["learning_rate"] * (1 - step / steps))
    assert head is not None
    return head


def geometry(z: Tensor, views: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Every metric of `dhel_kcl.geometry.metrics` for embeddings z (N, d) and, for alignment, of two views of them."""
    points = metrics.unit(z)
    return {
        "embeddings": len(points),
        "dim": points.shape[1],
        "alignment": metrics.alignment(*(metrics.unit(view) for view in views)),
        "uniformity": metrics.uniformity(points),
        "wasserstein_uniformity": metrics.wasserstein_uniformity(points),
        "effective_rank": metrics.effective_rank(points),
        "effective_rank_centred": metrics.effective_rank(points, centred=True),
        "covariance_rank": metrics.covariance_rank(points),
    }


class Embedder:
    """The frozen network of a run: images in [0, 1] to {"z": ..., "h": ...}.

    Without a run h are the raw pixels, of images larger than 32x32 averaged down to that; z is left out there and
    where training left the projector out.
    """

    def __init__(self, run: Path | None, channels: int, place: torch.device) -> None:
        self.encoder: nn.Module = nn.Flatten()
        self.projector: nn.Module | None = None
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
    def __call__(self, batches: Iterable[Tensor]) -> dict[str, Tensor]:
        h, z = [], []
        for images in batches:
            small = isinstance(self.encoder, nn.Flatten) and max(images.shape[2:]) > PIXELS
            h.append(self.encoder(adaptive_avg_pool2d(images, PIXELS) if small else images))
            if self.projector:
                z.append(self.projector(h[-1]))
        return ({"z": torch.cat(z)} if z else {}) | {"h": torch.cat(h)}

    def views(self, source: sources.Source, augment: Augment, seed: int) -> list[dict[str, Tensor]]:
        """Embeddings of a first and a second augmented view of every image."""
        parts = enumerate(torch.arange(len(source)).split(BATCH))
        batches = (sources.Batch(index.numpy(), seed + number) for number, index in parts)
        pairs = [self([views]) for views in source.views(batches, augment)]
        return [{space: torch.cat([pair[space].chunk(2)[k] for pair in pairs]) for space in pairs[0]} for k in range(2)]


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--spec", required=True, help="ProbeSpec as a JSON file or text")
    parser.add_argument("--run", type=Path, help="run folder of the pretraining (default: raw pixels as features)")
    parser.add_argument("--data", required=True, type=Path, help="prepared data set")
    parser.add_argument("--split", required=True, type=Path, help="split file")
    parser.add_argument("--transfer", action="store_true", help="only probe; --out is the file to write")
    parser.add_argument("--out", required=True, type=Path, help="folder to write, or file with --transfer")
    args = parser.parse_args()

    spec = ProbeSpec.read(args.spec)
    torch.set_num_threads(spec.threads)
    keep_freed_memory()
    torch.backends.cudnn.allow_tf32 = False
    place, precision = device.choose(spec.device, spec.precision)
    data = prepared.read(args.data)
    split = splits.read(args.split)
    classes = data.manifest["classes"]
    augment = Augment(**spec.augment)
    kind = "streamed" if data.encoded else "memory"
    images = {name: sources.open_source(data, split[name], place, spec.threads, kind) for name in PARTS}
    labels = {name: torch.from_numpy(data.labels[split[name]]).to(place) for name in PARTS}
    embedder = Embedder(args.run, data.channels, place)

    spaces = {name: embedder(source.plain(BATCH, augment.size)) for name, source in images.items()}
    features = {name: normalize(part["h"], dim=1) for name, part in spaces.items()}
    logits = linear_probe(features, labels, classes, spec.weight_decay)
    report: dict[str, Any] = {"protocol": "cached"} | scores(logits, labels)
    if spec.augmented and args.run:

        @torch.no_grad()
        def frozen(views: Tensor) -> Tensor:
            with device.autocast(place, precision):
                return embedder.encoder(views).float()

        head = train_head(frozen, images["train"], labels["train"], classes, spec.augmented, spec.view_seed)
        with torch.no_grad():
            logits = {name: head(part["h"]) for name, part in spaces.items()}
        report = {"protocol": "augmented", "cached": report} | scores(logits, labels)
    report |= {"knn": nearest_neighbours(features, labels, classes, spec.neighbours), "spec": spec.as_dict()}
    if args.transfer:
        write_json(args.out, report)
        return

    views = embedder.views(images["test"], augment, spec.view_seed)
    geometries, spectra, histograms = {}, [], []
    for space, z in spaces["test"].items():
        geometries[space] = geometry(z.cpu(), (views[0][space].cpu(), views[1][space].cpu()))
        points = metrics.unit(z.cpu())
        sigma = metrics.singular_values(points)
        spectra += [{"space": space, "index": k + 1, "singular_value": s / sigma[0]} for k, s in enumerate(sigma)]
        edges, density = metrics.similarity_histogram(points, spec.histogram_bins)
        histograms += [{"space": space, "similarity": e, "density": d} for e, d in zip(edges, density, strict=False)]

    write_rows(args.out / "predictions.csv", _prediction_rows(split["test"], labels["test"], logits["test"]))
    write_rows(args.out / "spectrum.csv", spectra)
    write_rows(args.out / "similarities.csv", histograms)
    write_json(args.out / "geometry.json", geometries)
    write_json(args.out / "probe.json", report)


def _prediction_rows(index: NDArray, labels: Tensor, logits: Tensor) -> list[dict[str, int]]:
    columns = zip(index.tolist(), labels.tolist(), logits.argmax(dim=1).tolist(), strict=True)
    return [{"image": image, "label": label, "prediction": prediction} for image, label, prediction in columns]


if __name__ == "__main__":
    cli.run(main)
