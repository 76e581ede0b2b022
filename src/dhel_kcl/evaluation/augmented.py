"""Evaluator: the paper's probe, a linear head on the frozen encoder, trained by SGD on augmented images.

As in the training code released with Multi-View-CL: features h as they are, not normalised.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dhel_kcl.evaluation.accuracy import Classification, classification
from dhel_kcl.evaluation.embed import Embeddings, Progress
from dhel_kcl.evaluation.spec import HeadSettings
from dhel_kcl.training.optimiser import MomentumSGD
from dhel_kcl.views.parameters import to_device
from dhel_kcl.views.view_source import Batch, Source


def evaluate(embeddings: Embeddings) -> Classification | None:
    """The head's scores on images without augmentation; None where the spec asks for no such probe, or without run."""
    spec, labels = embeddings.spec, embeddings.labels
    if spec.augmented is None or embeddings.network.is_pixels:
        return None
    h = {subset: spaces["h"] for subset, spaces in embeddings.spaces.items()}
    head = nn.Linear(h["train"].shape[1], embeddings.classes, device=h["train"].device)
    images, features = embeddings.images["train"], embeddings.network.features
    train_head(head, features, images, labels["train"], spec.augmented, spec.view_seed, embeddings.progress)
    with torch.no_grad():
        logits = {subset: head(points) for subset, points in h.items()}
    return classification(logits, labels)


def train_head(
    head: nn.Linear,
    features: Callable[[Tensor], Tensor],
    source: Source,
    labels: Tensor,
    settings: HeadSettings,
    seed: int,
    progress: Progress = iter,
) -> None:
    """Train a head from zero, on the features of augmented images, by SGD with a linear decay to 0.

    Args:
        head: to be trained, from d features to the classes.
        features: function from images (B, C, H, W) to (B, d), without gradient.
        source, labels: the training images and their labels (N,).
        settings: of the training.
        seed: of the order of the images and of their augmentation.
        progress: through which the loop goes over its batches.
    """
    order = batches_of(len(labels), settings, seed)
    batches = (Batch(index.numpy(), seed + step, copies=1) for step, index in enumerate(order))
    views = source.views(batches, settings.augment)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = MomentumSGD(head, settings.momentum, settings.weight_decay)
    for step, index in enumerate(progress(order)):
        h = features(next(views))
        cross_entropy(head(h), labels[to_device(index.numpy(), labels.device)]).backward()
        optimizer.step(settings.learning_rate * (1 - step / len(order)))


def batches_of(images: int, settings: HeadSettings, seed: int) -> tuple[Tensor, ...]:
    """Which images each step sees: whole batches of a new order in each epoch, what is left over is left out."""
    generator = torch.Generator().manual_seed(seed)
    batch = min(settings.batch_size, images)
    epochs = [torch.randperm(images, generator=generator) for _ in range(settings.epochs)]
    return torch.cat([epoch[: images // batch * batch] for epoch in epochs]).split(batch)
