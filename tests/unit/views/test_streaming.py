import io
import itertools
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ks_2samp
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, RandomResizedCrop, Resize
from torchvision.transforms import functional as tv

from dhel_kcl.data import prepared, writing
from dhel_kcl.data.sources import imagenet100
from dhel_kcl.files import sha256
from dhel_kcl.runtime import cli
from dhel_kcl.runtime.signals import REQUESTS
from dhel_kcl.views import streaming
from dhel_kcl.views.augment import Augment
from dhel_kcl.views.view_source import Batch, open_source
from tests.unit.views.pictures import CPU, PAPER, generator, in_memory, views_of
from tests.unit.views.pictures import images as pixels

CROP = Augment(crop_scale=(0.08, 1.0), size=24)
SHAPES = [(50, 40), (40, 50), (23, 90), (90, 23), (9, 7), (64, 64), (33, 47)]
"""Width and height: also strips that no crop of the allowed aspect ratios fits in, and one smaller than a view."""
KINDS = [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("RGB", "PNG")]


def photos():
    """21 images of all shapes and kinds, smooth and noisy, as files' bytes."""
    random = np.random.default_rng(0)
    found = []
    for k in range(21):
        width, height = SHAPES[k % 7]
        mode, form = KINDS[k % 5]
        coarse = Image.fromarray(random.integers(0, 256, (height // 3, width // 3, 3), np.uint8))
        content = io.BytesIO()
        coarse.resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(content, form)
        found.append(content.getvalue())
    return found


def encoded(folder, contents):
    """A prepared data set of encoded images, the damaged ones as if they had been sound when they were prepared."""
    folder.mkdir(exist_ok=True)
    paths = [folder / str(k) for k in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    count = len(contents)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(writing, "checksums", lambda paths: [sha256(path) for path in paths])
        writing.write_encoded(
            folder / "out", paths, np.arange(count) % 2, np.zeros(count, np.uint8), imagenet100.DESCRIPTION
        )
    return prepared.read(folder / "out")


def png(image):
    content = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(content, "PNG")
    return content.getvalue()


@pytest.fixture(autouse=True)
def workers_for_few_images(monkeypatch):
    monkeypatch.setattr(streaming, "FEW", 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The photos as ImageNet-100 of three classes: 12 to train and 9 to test."""
    folder = tmp_path_factory.mktemp("imagenet")
    for k, content in enumerate(photos()):
        place = folder / ("train" if k < 12 else "val") / f"n0000000{k % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{k}.JPEG").write_bytes(content)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv(imagenet100.SOURCE, str(folder))
        monkeypatch.setattr(imagenet100, "COUNT", 3)
        imagenet100.fetch(folder / "out")
    return prepared.read(folder / "out", verify=True)


@pytest.fixture
def forked(monkeypatch):
    """Workers that start in no time; what they answer does not depend on how they started."""
    monkeypatch.setattr(streaming, "START", "fork")


def opened(data, rows=None, workers=0):
    return open_source(data, np.arange(len(data.labels)) if rows is None else rows, CPU, workers, "streamed")


def first(views):
    """The first views, and the workers that were started for them."""
    before = multiprocessing.active_children()
    return next(views), [worker for worker in multiprocessing.active_children() if worker not in before]


def picture(data, row):
    offsets = prepared.offsets_of(data.images, len(data.labels))
    return Image.open(io.BytesIO(data.images[offsets[row] : offsets[row + 1]].tobytes())).convert("RGB")


def test_crops_are_exactly_those_of_torchvision(data):
    rows, index = np.arange(20, -1, -1), np.array([*range(21), 4, 4])
    views = views_of(opened(data, rows), index, CROP, 1)
    crops = CROP.draw_crops(46, generator(1))
    assert views.dtype == torch.float32
    for place, view in enumerate(views):
        image = picture(data, rows[index[place % 23]])
        box = crops.rows([place]).boxes(image.height, image.width)[0].astype(int).tolist()
        cropped = tv.resized_crop(image, *box, [24, 24], InterpolationMode.BICUBIC)
        assert torch.equal(view, tv.to_tensor(cropped))


def test_crops_follow_the_law_of_torchvision(tmp_path):
    """Place and extent of 1,600 crops of an image whose colour states the position."""
    y, x = np.mgrid[:90, :120]
    ramp = torch.from_numpy(np.stack([2 * x, 2 * y, 0 * x]).astype(np.uint8))
    source = opened(encoded(tmp_path, [png(ramp)] * 2))
    augment = Augment(crop_scale=(0.08, 1.0), size=8)
    ours = views_of(source, np.zeros(800, dtype=int), augment, 0)
    torch.manual_seed(0)
    transform = RandomResizedCrop(8, (0.08, 1.0), interpolation=InterpolationMode.BICUBIC)
    image = Image.fromarray(ramp.permute(1, 2, 0).numpy())
    theirs = torch.stack([tv.to_tensor(transform(image)) for _ in range(1600)])

    def statistics(views):
        across, down = views[:, 0].mean(dim=1), views[:, 1].mean(dim=2)
        extents = [line[:, 6] - line[:, 1] for line in (across, down)]
        return [across.mean(dim=1), down.mean(dim=1), *extents, extents[0] / extents[1]]

    for mine, reference in zip(statistics(ours), statistics(theirs), strict=True):
        assert ks_2samp(mine, reference).pvalue > 0.01
    first, second = (torch.stack(statistics(copy)[:3]) for copy in ours.chunk(2))
    correlations = torch.corrcoef(torch.cat([first, second]))[:3, 3:]
    assert correlations.abs().max() < 0.12


def test_views_of_squares_are_those_made_in_memory(tmp_path):
    """The same random parameters in the same order; crops are PIL's here, and to 2/255 there."""
    squares, index = pixels(90, height=40)[::3], np.random.default_rng(0).permutation(30)
    source, augment = opened(encoded(tmp_path, [png(image) for image in squares])), Augment(**PAPER, size=48)
    streamed = views_of(source, index, augment, 7)
    deviation = (streamed - views_of(in_memory(squares), index, augment, 7)).abs()
    assert deviation.mean() < 5e-5
    assert deviation.max() < 0.03
    assert (views_of(source, index, augment, 8) - streamed).abs().mean() > 0.1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(views_of(source, index, augment, 7), streamed)


@pytest.mark.slow
def test_neither_workers_nor_signals_change_a_bit(data):
    """Signals to stop are for the process that the workers serve; the global random state is left alone."""
    assert set(REQUESTS) == streaming.STOP
    state, augment = torch.get_rng_state(), Augment(**PAPER, size=24)
    batches = [Batch(np.random.default_rng(k).permutation(21)[: 12 - k], seed=k // 2) for k in range(8)]
    expected = [views_of(opened(data), batch.index, augment, batch.seed) for batch in batches]
    views = opened(data, workers=2).views(batches, augment)
    found, workers = first(views)
    assert len(workers) == 2
    for worker, number in itertools.product(workers, streaming.STOP):
        subprocess.run(["kill", f"-{int(number)}", str(worker.pid)], check=True)  # from another process
    for ours, one in zip([found, *views], expected, strict=True):
        assert torch.equal(ours, one)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("workers", [1, 2])
def test_plain_images_do_not_depend_on_workers(data, forked, workers):
    plain = torch.cat(list(opened(data).plain(21, 24)))
    assert torch.equal(torch.cat(list(opened(data, workers=workers).plain(4, 24))), plain)


def test_batches_may_be_left_over(data, forked):
    """A batch is made when it is asked for, and who asks no more leaves no process behind."""
    asked = []
    batches = (asked.append(k) or Batch(np.arange(21), k) for k in range(1000))
    views = opened(data, workers=2).views(batches, CROP)
    _, workers = first(views)
    assert len(asked) <= 6
    views.close()
    assert [worker.exitcode for worker in workers] == [0, 0]


def test_ranks_together_see_what_one_process_sees(data):
    source, augment, index = opened(data), Augment(**PAPER, size=24), np.arange(20)
    whole = views_of(source, index, augment, 9)
    parts = [views_of(source, index, augment, 9, rank=rank, world=4).chunk(2) for rank in range(4)]
    assert torch.equal(torch.cat([torch.cat(copy) for copy in zip(*parts, strict=True)]), whole)
    with pytest.raises(ValueError, match="a batch of 20 cannot be shared equally by 3 processes"):
        views_of(source, index, augment, 9, world=3)


def test_a_rank_decodes_its_own_images_only(tmp_path):
    contents = photos()
    source = opened(encoded(tmp_path, [*contents[:4], *[b"damaged"] * 4]))
    assert len(views_of(source, np.arange(8), CROP, 0, rank=0, world=2)) == 8
    with pytest.raises(ValueError, match="image 4 cannot be decoded"):
        views_of(source, np.arange(8), CROP, 0, rank=1, world=2)


@pytest.mark.parametrize("size", [24, 21])
def test_plain_images_are_those_of_torchvision(data, size):
    rows = np.arange(20, 2, -1)
    source = opened(data, rows)
    assert (len(source), data.channels) == (18, 3)
    batches = list(source.plain(4, size))
    assert [len(batch) for batch in batches] == [4, 4, 4, 4, 2]
    evaluate = Compose([Resize(round(size / 0.875), InterpolationMode.BICUBIC), CenterCrop(size), tv.to_tensor])
    assert torch.equal(torch.cat(batches), torch.stack([evaluate(picture(data, row)) for row in rows]))
    whole = views_of(source, np.arange(18), Augment(size=size), 0, copies=1)
    assert torch.equal(whole, torch.cat(batches))


@pytest.mark.parametrize("shape", [(2, 90), (90, 3), (4, 300), (1, 64)])
def test_the_centre_of_a_strip_is_that_of_torchvision(shape):
    strip = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    expected = CenterCrop(24)(Resize(round(24 / 0.875), InterpolationMode.BICUBIC)(strip))
    ours, theirs = (np.asarray(image).astype(int) for image in (streaming.central(strip, 24), expected))
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("size", [(1, 50_000), (50_000, 1), (1, 1), (3, 9000)])
def test_sides_of_a_pixel_take_no_gigabytes(tmp_path, monkeypatch, size):
    content = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(content, "PNG")
    source = opened(encoded(tmp_path, [content.getvalue()] * 2))
    made, resize = [], Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda *given, **named: made.append(resize(*given, **named)) or made[-1])
    (plain,) = source.plain(2, 224)
    views = views_of(source, np.arange(2), CROP, 0)
    assert 0 < max(image.width * image.height for image in made) < 5e6
    for images in (plain, views):
        torch.testing.assert_close(images.amax(dim=(0, 2, 3)), torch.tensor([200, 100, 50]) / 255)


def test_images_stand_as_the_manifest_says(tmp_path):
    """As they were taken where it says upright, and otherwise as torchvision reads them."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    content = io.BytesIO()
    picture = Image.fromarray(pixels(1, height=40, width=60)[0].permute(1, 2, 0).numpy())
    picture.save(content, "PNG", exif=exif)
    data = encoded(tmp_path, [content.getvalue()] * 2)
    turned = prepared.Prepared(data.images, data.labels, data.part, replace(data.manifest, upright=True))
    for source, expected in (
        (data, picture),
        (turned, picture.transpose(Image.Transpose.ROTATE_270)),
    ):
        (plain,) = opened(source).plain(2, 24)
        assert torch.equal(plain[0], tv.to_tensor(streaming.central(expected, 24)))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_named_in_one_line(tmp_path, forked, workers, capsys):
    contents = photos()
    contents[5] = contents[5][: len(contents[5]) // 2]
    contents[7] = b"no image"
    source = opened(encoded(tmp_path, contents), workers=workers)
    expected = views_of(opened(encoded(tmp_path / "whole", photos())), np.arange(5), CROP, 0)
    for row in (5, 7):
        views = source.views([Batch(np.arange(5), 0), Batch(np.arange(row, 12), 1)], CROP)
        assert torch.equal(next(views), expected)
        with pytest.raises(SystemExit):
            cli.run(lambda views=views: next(views))
        errors = capsys.readouterr().err
        assert re.fullmatch(rf"error: \S+/out/images\.npy: image {row} cannot be decoded \(.+\)\n", errors)


@pytest.mark.parametrize("settings", [{"size": None}, {"size": 24, "rotation": 5}, {"pad": 4}])
def test_what_images_of_various_sizes_cannot_do_is_told(data, settings):
    with pytest.raises(ValueError, match=r"need augment\.size, and go with neither rotation nor pad"):
        views_of(opened(data), np.arange(4), Augment(**settings), 0)
    with pytest.raises(ValueError, match="need a size to be evaluated at"):
        next(opened(data).plain(4))


def test_a_worker_that_is_killed_is_reported(data, forked):
    views = opened(data, workers=1).views((Batch(np.arange(4), k) for k in range(100)), CROP)
    _, (worker,) = first(views)
    with pytest.raises(RuntimeError, match=r"worker \(pid.+\) (is killed by signal|exited unexpectedly)"):  # noqa: PT012
        worker.kill()
        worker.join()
        list(views)


HOLDER = """
import multiprocessing, sys, time
from pathlib import Path
import numpy as np, torch
from dhel_kcl.views import streaming
from dhel_kcl.views.augment import Augment
from dhel_kcl.data import prepared
from dhel_kcl.views.view_source import Batch, open_source
streaming.FEW = 0
source = open_source(prepared.read(Path(sys.argv[1])), np.arange(21), torch.device("cpu"), 2, "streamed")
views = source.views((Batch(np.arange(20), k) for k in range(1000)), Augment(crop_scale=(0.08, 1.0), size=24))
next(views)
print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)
if sys.argv[2] == "error":
    raise RuntimeError
while True:
    next(views)
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.parametrize("end", ["error", "kill"])
def test_no_worker_outlives_the_process_that_it_serves(data, end):
    """Not one that has hardly started either. Takes 10 s: the programs import torch."""
    command = [sys.executable, "-c", HOLDER, Path(data.images.filename).parent, end]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as holder:
        pids = list(map(int, holder.stdout.readline().split()))
        assert len(pids) == 2
        if end == "kill":
            holder.kill()
        _, errors = holder.communicate(timeout=60)
    assert holder.returncode == {"error": 1, "kill": -signal.SIGKILL}[end]
    assert ("\nRuntimeError\n" in errors) == (end == "error")
    assert "Exception ignored" not in errors
    deadline = time.monotonic() + 20
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
