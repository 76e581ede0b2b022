"""How far a training is, for who watches it."""

from tqdm import tqdm

from dhel_kcl.training.progress import Progress


class ProgressBar:
    """Steps done, time left and the last epoch's loss, on standard error. Called after each step."""

    def __init__(self, progress: Progress, shown: bool = True) -> None:
        self.bar = tqdm(total=progress.steps, initial=progress.done, unit="step", mininterval=1, disable=not shown)

    def __call__(self, progress: Progress) -> None:
        self.bar.update()
        if progress.ends_epoch:
            self.bar.set_postfix(epoch=progress.epoch, loss=f"{progress.rows[-1]['loss']:.4f}", refresh=False)

    def close(self) -> None:
        self.bar.close()
