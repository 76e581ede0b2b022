import numpy as np
import torch

from dhel_kcl.data import prepared
from dhel_kcl.evaluation.augmented import train_head
from dhel_kcl.evaluation.spec import HeadSettings
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.view_source import open_source

SETTINGS = HeadSettings(
    epochs=3, batch_size=16, learning_rate=0.5, momentum=0.9, weight_decay=0.01, augment=Augment(flip=0.0)
)


class Watched:
    """A source that keeps what views it was asked for."""

    def __init__(self, source):
        self.source, self.seeds, self.augment = source, [], None

    def views(self, batches, augment):
        self.augment = augment

        def seen():
            for batch in batches:
                self.seeds.append(batch.seed)
                yield batch

        return self.source.views(seen(), augment)


def test_the_head_is_trained_as_torch_would(digits_folder):
    """Against a plain loop with torch's own optimiser and schedule, without augmentation and in the same order."""
    data = prepared.read(digits_folder)
    source, labels = open_source(data, np.arange(40), torch.device("cpu"), 0, "memory"), torch.tensor(data.labels[:40])
    head, shown = torch.nn.Linear(64, 10), []
    progress = lambda order: (shown.append(index) or index for index in order)  # noqa: E731
    source = Watched(source)
    train_head(head, lambda views: views.flatten(1), source, labels, SETTINGS, seed=3, progress=progress)
    assert source.augment is SETTINGS.augment
    assert source.seeds == [3, 4, 5, 6, 7, 8], "other views at each step"

    generator = torch.Generator().manual_seed(3)
    reference = torch.nn.Linear(64, 10)
    torch.nn.init.zeros_(reference.weight)
    torch.nn.init.zeros_(reference.bias)
    groups = [{"params": [reference.weight], "weight_decay": 0.01}, {"params": [reference.bias]}]
    optimizer = torch.optim.SGD(groups, lr=0.5, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 6)
    for _ in range(3):
        order = torch.randperm(40, generator=generator)
        for index in order[:32].split(16):
            pixels = torch.tensor(data.images[:40])[index].flatten(1) / 255
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(reference(pixels), labels[index]).backward()
            optimizer.step()
            schedule.step()
    torch.testing.assert_close(head.weight, reference.weight)
    torch.testing.assert_close(head.bias, reference.bias)
    assert len(shown) == 6, "the loop goes through the progress that it was given"
