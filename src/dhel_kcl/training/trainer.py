"""Pretraining: what learns, what it learns from, and the loop over both."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dhel_kcl.data.prepared import Prepared
from dhel_kcl.training.checkpoint import Store
from dhel_kcl.training.device import Place
from dhel_kcl.training.objective import Model, Networks, build_networks
from dhel_kcl.training.optimiser import MomentumSGD
from dhel_kcl.training.progress import Diverged, Progress
from dhel_kcl.training.schedule import Schedule
from dhel_kcl.training.spec import PretrainSpec
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.parameters import to_device
from dhel_kcl.views.view_source import Source, open_source


class Trainer:
    """Networks of one run and the optimiser of those that are trained."""

    def __init__(self, networks: Networks, spec: PretrainSpec, place: Place) -> None:
        self.networks, self.place = networks, place
        self.network, self.model = _shared(Model(networks.encoder, networks.objective).to(place.device), place)
        self.network.train()
        if spec.compile:
            networks.encoder.compile()
        self.optimiser = MomentumSGD(self.model, spec.training.momentum, spec.training.weight_decay)

    @classmethod
    def build(cls, spec: PretrainSpec, channels: int, classes: int, place: Place) -> Self:
        """Networks for images of `channels`, with weights drawn by the spec's seed."""
        torch.manual_seed(spec.seed)
        return cls(build_networks(spec, channels, classes), spec, place)

    def step(self, views: Tensor, labels: Tensor, rate: float) -> dict[str, Tensor]:
        """Update the weights by the gradient on this process's views (2M', C, H, W) and labels (M',).

        Returns the loss, as "loss", and its parts, of which a GPU may still be at work.
        """
        with self.place.autocast():
            # One forward pass over both views: batch normalisation sees 2M images.
            loss, parts = self.network(views, labels)
        loss.backward()
        self.optimiser.step(rate)
        return {"loss": loss.detach()} | {name: part.detach() for name, part in parts.items()}

    def cause(self) -> str:
        """What is wrong with the input of the last loss, as the end of a sentence; "" if nothing is. Every process has
        to ask."""
        try:
            self.networks.objective.check()
        except ValueError as error:
            return f"; {error}"
        return ""

    def is_finite(self) -> bool:
        """Whether no weight or statistic is NaN or infinite."""
        return all(bool(tensor.isfinite().all()) for tensor in self.model.state_dict().values())

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])


def _shared(model: Model, place: Place) -> tuple[nn.Module, nn.Module]:
    """The module to call, whose gradients are the mean over all processes, and the module that holds the weights."""
    if place.group.world == 1:
        return model, model
    on_cuda = place.device.type == "cuda"
    shared: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model) if on_cuda else model
    return DistributedDataParallel(shared, [place.device] if on_cuda else None), shared


@dataclass(frozen=True)
class TrainingImages:
    """Images in a source, their labels (N,) on the device, and how views of them are drawn."""

    source: Source
    labels: Tensor
    augment: Augment

    def batches(self, schedule: Schedule, first: int, place: Place) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's views and labels in step `first` and all that follow; some are prepared ahead."""

        def labels() -> Iterator[Tensor]:
            for batch in schedule.batches(first, *place.share):
                yield self.labels[to_device(batch.index[batch.own_images], place.device)]

        return zip(self.source.views(schedule.batches(first, *place.share), self.augment), labels(), strict=True)


@dataclass(frozen=True)
class Pretraining:
    """One run: what learns, from what, when, and how far it is."""

    trainer: Trainer
    images: TrainingImages
    schedule: Schedule
    progress: Progress

    @classmethod
    def build(cls, spec: PretrainSpec, data: Prepared, split: dict[str, NDArray], place: Place) -> Self:
        """The run of a spec before its first step. Raises ValueError for a batch larger than the training set."""
        rows = split[spec.subset]
        schedule = Schedule.of(spec, len(rows))
        trainer = Trainer.build(spec, data.channels, data.classes, place)
        source = open_source(data, rows, place.device, place.threads, spec.images)
        labels = torch.from_numpy(data.labels[rows]).to(place.device)
        progress = Progress(schedule, trainer.networks.objective.minimum)
        return cls(trainer, TrainingImages(source, labels, spec.augment), schedule, progress)

    def resume(self, store: Store, again: bool = False) -> bool:
        """Go on from the checkpoint, if there is one; with `again` from none of a run that came to its end."""
        if state := store.read(again):
            self.trainer.load_state_dict(state["trainer"])
            self.progress.load_state_dict(state["progress"])
        return state is not None

    def run(
        self,
        store: Store,
        on_step: Sequence[Callable[[Progress], None]] = (),
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end, or until `stop` says so in any process; whether it is the end.

        Each of `on_step` is called after each step. A checkpoint is written when it is due, and when training ends.
        Raises Diverged for a loss or weights that are NaN or infinite, before that reaches the checkpoint.
        """
        trainer, progress, place = self.trainer, self.progress, self.trainer.place
        progress.start()
        batches = self.images.batches(self.schedule, progress.done, place)
        upcoming = next(batches, None)
        progress.start_epoch()
        stopping = False
        while upcoming and not stopping:
            rate = self.schedule.learning_rate(progress.done)
            values = place.group.means(trainer.step(*upcoming, rate))
            upcoming = next(batches, None)  # a GPU is still at this step when the next batch is queued
            try:
                progress.record(values(), rate)
            except Diverged as error:
                raise Diverged(f"{error}{trainer.cause()}") from None
            for report in on_step:
                report(progress)
            stopping = place.group.any(stop())
            if stopping or progress.finished or store.is_due:
                self.save(store)
        return progress.finished

    def save(self, store: Store) -> None:
        """Write the checkpoint, by the first process. Raises Diverged for weights that are NaN or infinite."""
        self.progress.require_finite(self.trainer.is_finite())
        if self.trainer.place.is_first:
            state = {"trainer": self.trainer.state_dict(), "progress": self.progress.state_dict()}
            store.write(state, self.progress.finished)
        store.postpone()
