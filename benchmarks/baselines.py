"""The usual ways to write what is timed here, written plainly."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from torch.utils.data import DataLoader
from torchvision import transforms

from dhel_kcl.views.augment import Augment


def pil_pipeline(augment: Augment, size: int) -> Callable[[Image.Image], Tensor]:
    """torchvision's transforms of one PIL image for the same crops, flips, jitter, greyscale and blur."""
    colour = {name: getattr(augment, name) for name in ("brightness", "contrast", "saturation", "hue")}
    bicubic = transforms.InterpolationMode.BICUBIC
    steps = [
        transforms.RandomResizedCrop(size, scale=augment.crop_scale, interpolation=bicubic),
        transforms.RandomHorizontalFlip(augment.flip),
        transforms.RandomApply([transforms.ColorJitter(**colour)], p=augment.jitter),
        transforms.RandomGrayscale(augment.grey),
    ]
    if augment.blur:
        steps.append(
            transforms.RandomApply([transforms.GaussianBlur(augment.blur_kernel, augment.blur_sigma)], augment.blur)
        )
    return transforms.Compose([*steps, transforms.ToTensor()])


def pictures(images: Tensor) -> list[Image.Image]:
    """PIL images of uint8 tensors (B, C, H, W), C = 1 or 3."""
    return [Image.fromarray(image.squeeze(2).numpy()) for image in images.permute(0, 2, 3, 1)]


def exp_then_log_dhel(
    z0: Tensor, z1: Tensor, temperature: float | Tensor, mask: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """DHEL in the form `sum`; `mask` gives what are negatives of each other, bool (M, M)."""
    u, v = normalize(z0, dim=1), normalize(z1, dim=1)
    diagonal = torch.eye(len(u), dtype=torch.bool, device=u.device)
    left_out = diagonal if mask is None else diagonal | ~mask(u)
    loss = -(u * v).sum(dim=1).mean() / temperature
    for z in (u, v):
        loss = loss + torch.exp(z @ z.T / temperature).masked_fill(left_out, 0.0).sum(dim=1).log().mean()
    return loss


class TwoViews(torch.utils.data.Dataset):
    """Two random views of each picture."""

    def __init__(self, images: list[Image.Image], view: Callable[[Image.Image], Tensor]) -> None:
        self.images, self.view = images, view

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.view(self.images[index]), self.view(self.images[index])


class TwoViewsOfFiles(TwoViews):
    """Two random views of each picture, of which there are the bytes of its file."""

    def __init__(self, files: list[bytes], view: Callable[[Image.Image], Tensor]) -> None:
        self.images, self.view = files, view

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = Image.open(io.BytesIO(self.images[index])).convert("RGB")
        return self.view(image), self.view(image)


class PlainLoop:
    """Float32, contiguous, a DataLoader of PIL images, DHEL by exponentials, torch's SGD; a call is one step."""

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        parameters: list[nn.Parameter],
        loader: DataLoader,
        temperature: float,
        options: dict[str, Any],
        device: torch.device,
    ) -> None:
        self.network, self.loader, self.temperature, self.device = network, loader, temperature, device
        self.optimizer = torch.optim.SGD(parameters, **options)
        self.batches = self._batches()

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader

    def loss(self, views: Tensor) -> Tensor:
        return exp_then_log_dhel(*self.network(views).chunk(2), self.temperature)

    def __call__(self) -> float:
        loss = self.loss(torch.cat(next(self.batches)).to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def plain_probe(features: Tensor, labels: Tensor, classes: int, weight_decay: float) -> Tensor:
    """Weights and bias (d + 1, classes) of a logistic regression on features (N, d), by L-BFGS in float64."""
    features = features.double()

    def objective(flat: NDArray) -> tuple[float, NDArray]:
        parameters = torch.from_numpy(flat).view(-1, classes).requires_grad_()
        weight, bias = parameters[:-1], parameters[-1]
        loss = cross_entropy(features @ weight + bias, labels) + weight_decay / 2 * weight.square().sum()
        (gradient,) = torch.autograd.grad(loss, parameters)
        return loss.item(), gradient.flatten().numpy()

    options = {"maxiter": 10_000, "maxfun": 20_000, "gtol": 1e-7, "ftol": 0, "maxcor": 20}
    start = np.zeros((features.shape[1] + 1) * classes)
    solution = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    return torch.from_numpy(solution.x).view(-1, classes)
