"""Step 4: evaluate one run's frozen encoder: linear probe, geometry, singular values, similarities.

Protocol: encoder in eval mode, no augmentation, features computed once. The probe is a logistic regression on the
L2-normalised backbone features h, fitted on the training images. Geometry is measured on the L2-normalised
test-image embeddings z (projector output, unless the run has no trained projector) and h; alignment on two
augmented views of the test images, drawn by a fixed seed.

Writes into --out: probe.json, predictions.csv, geometry.json, spectrum.csv, similarities.csv.

Example:
    python -m dhel_kcl.probe --spec probe.json --run run --data data/digits --split split.npz --out run
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from dhel_kcl import cli, metrics
from dhel_kcl import split as splits
from dhel_kcl.augment import Augment
from dhel_kcl.datasets import prepared
from dhel_kcl.files import write_json, write_rows
from dhel_kcl.models import build_encoder, build_projector, embed, read_weights
from dhel_kcl.spec import PretrainSpec, ProbeSpec


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
        parameters = torch.from_numpy(flat).requires_grad_()
        weight, bias = parameters[:-classes].view(dim, classes), parameters[-classes:]
        loss = cross_entropy(features @ weight + bias, labels) + weight_decay / 2 * weight.square().sum()
        (gradient,) = torch.autograd.grad(loss, parameters)
        return loss.item(), gradient.numpy()

    options = {"maxiter": 10_000, "maxfun": 20_000, "gtol": 1e-7, "ftol": 0, "maxcor": 20}
    solution = minimize(objective, np.zeros((dim + 1) * classes), jac=True, method="L-BFGS-B", options=options)
    parameters = torch.from_numpy(solution.x)
    return parameters[:-classes].view(dim, classes), parameters[-classes:]


def linear_probe(
    features: dict[str, Tensor], labels: dict[str, Tensor], classes: int, weight_decay: float
) -> tuple[dict[str, Any], Tensor]:
    """Accuracy (%) and mean cross-entropy (nats) of a probe fitted on "train", per split; and its test predictions."""
    weight, bias = fit_linear(features["train"], labels["train"], classes, weight_decay)
    logits = {name: part.double() @ weight + bias for name, part in features.items()}
    result = {
        name: {
            "accuracy": 100 * (logits[name].argmax(dim=1) == labels[name]).double().mean().item(),
            "cross_entropy": cross_entropy(logits[name], labels[name]).item(),
            "images": len(labels[name]),
        }
        for name in logits
    }
    return result, logits["test"].argmax(dim=1)


def geometry(z: Tensor, views: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Every metric of `dhel_kcl.metrics` for embeddings z (N, d) and, for alignment, of two views of them."""
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


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--spec", required=True, help="ProbeSpec as a JSON file or text")
    parser.add_argument("--run", type=Path, help="run folder of the pretraining (default: raw pixels as features)")
    parser.add_argument("--data", required=True, type=Path, help="prepared data set")
    parser.add_argument("--split", required=True, type=Path, help="split file")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    args = parser.parse_args()

    spec = ProbeSpec.read(args.spec)
    torch.set_num_threads(spec.threads)
    data = prepared.read(args.data)
    split = splits.read(args.split)
    classes = data.manifest["classes"]
    images = {name: torch.from_numpy(data.images[index]) for name, index in split.items()}
    labels = {name: torch.from_numpy(data.labels[index]) for name, index in split.items()}
    embeddings = _embedder(args.run, channels=data.images.shape[1])

    generator = torch.Generator().manual_seed(spec.view_seed)
    augment = Augment(**spec.augment)
    views = [embeddings(augment(images["test"], generator)) for _ in range(2)]
    spaces = {name: embeddings(part.float() / 255) for name, part in images.items()}

    features = {name: normalize(part["h"], dim=1) for name, part in spaces.items()}
    result, predictions = linear_probe(features, labels, classes, spec.weight_decay)
    test = spaces["test"]
    report = {space: geometry(z, (views[0][space], views[1][space])) for space, z in test.items()}
    spectra, histograms = [], []
    for space, z in test.items():
        points = metrics.unit(z)
        sigma = metrics.singular_values(points)
        spectra += [{"space": space, "index": k + 1, "singular_value": s / sigma[0]} for k, s in enumerate(sigma)]
        edges, density = metrics.similarity_histogram(points, spec.histogram_bins)
        histograms += [{"space": space, "similarity": e, "density": d} for e, d in zip(edges, density, strict=False)]

    write_rows(args.out / "predictions.csv", _prediction_rows(split["test"], labels["test"], predictions))
    write_rows(args.out / "spectrum.csv", spectra)
    write_rows(args.out / "similarities.csv", histograms)
    write_json(args.out / "geometry.json", report)
    write_json(args.out / "probe.json", result | {"spec": spec.as_dict()})


def _embedder(run: Path | None, channels: int) -> Any:
    """Function from images in [0, 1] to {"z": ..., "h": ...}, without z where training left the projector out."""
    if run is None:
        return lambda images: {"h": images.flatten(1)}
    spec = PretrainSpec.read(str(run / "spec.json"))
    encoder = build_encoder(spec.backbone, channels)
    projector = build_projector(encoder.features, spec.projector_dim)
    read_weights(run / "encoder.safetensors", encoder)
    read_weights(run / "projector.safetensors", projector)

    def both(images: Tensor) -> dict[str, Tensor]:
        h, z = embed(encoder, projector, images)
        return {"h": h} if spec.loss["name"] == "supervised" else {"z": z, "h": h}

    return both


def _prediction_rows(index: Any, labels: Tensor, predictions: Tensor) -> list[dict[str, int]]:
    columns = zip(index.tolist(), labels.tolist(), predictions.tolist(), strict=True)
    return [{"image": image, "label": label, "prediction": prediction} for image, label, prediction in columns]


if __name__ == "__main__":
    cli.run(main)
