"""Write a run's encoder as one safetensors file, with a model card beside it.

Card and metadata of the file say which data set, loss and setting the weights come from, how long and with which seed
they were trained, what a linear probe reaches on them, the rank of their embeddings, the licence of the data, and the
revision of the code; the card has the file's SHA-256, too, and the lines that load it.

Example:
    dhel-kcl export-encoder results/runs/digits/digits/dhel_m64_selected/seed1
"""

import hashlib
import json
from pathlib import Path

from safetensors.torch import save

from dhel_kcl.data.prepared import Manifest
from dhel_kcl.files import DamagedError, read_json, reading, sha256, write_bytes
from dhel_kcl.runtime import cli
from dhel_kcl.study import layout
from dhel_kcl.training.networks import build_encoder, read_weights
from dhel_kcl.training.spec import PretrainSpec

NEEDED = (*layout.TRAINED, "probe.json", "geometry.json")
CARD = """# {title}

An image encoder of a replication of DHEL and kernel contrastive losses ([paper](https://arxiv.org/abs/2405.18045)).

| | |
|---|---|
{rows}
| SHA-256 of `{file}` | `{sha256}` |

It takes images (B, {shape}) with values in [0, 1] and gives features (B, {features}). To load it takes this project's
package and safetensors: `pip install 'git+<address of this repository>' safetensors`.

```python
import json

import torch
from safetensors import safe_open

from dhel_kcl.training.networks import build_encoder

with safe_open("{file}", "pt") as file:
    encoder = build_encoder(**json.loads(file.metadata()["encoder"]))
    encoder.load_state_dict({{name: file.get_tensor(name) for name in file.keys()}})
encoder.eval()
with torch.no_grad():
    features = encoder(torch.rand(2, {shape}))
```
"""


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("run", type=Path, help="folder of a run that was trained and evaluated")
    parser.add_argument(
        "--data", type=Path, help="folder with its data set's manifest.json (default: data/ and its name)"
    )
    parser.add_argument(
        "--out", type=Path, help="file to write (default: in encoders, named as the folders below runs)"
    )
    args = parser.parse_args()
    require_finished(args.run)
    out = args.out or Path("encoders", f"{name_of(args.run)}.safetensors")
    if out.suffix != ".safetensors":
        raise ValueError(f"{out}: the file's name has to end with .safetensors")
    export(args.run, args.data, out)
    print(f"{out}: {out.stat().st_size:,} bytes. Card: {out.with_suffix('.md')}")


def name_of(run: Path) -> str:
    """ "digits_digits_dhel_m64_selected_seed1" of results/runs/digits/digits/dhel_m64_selected/seed1."""
    _, found, below = run.absolute().as_posix().rpartition("/runs/")
    return below.replace("/", "_") if found else run.absolute().name


def require_finished(run: Path) -> None:
    """Raise ValueError that says why there is no encoder to export from a folder, if there is none."""
    missing = [name for name in NEEDED if not (run / name).is_file()]
    if missing and "spec.json" not in missing:
        raise ValueError(f"{run} is not finished: no {', '.join(missing)}; run again what trains and evaluates it")
    if missing and "probe.json" not in missing:
        raise ValueError(f"{run} is of raw pixels, which have no encoder; give the folder of a trained run")
    if missing:
        example = layout.RUN.format(suite="digits", dataset="digits", run="dhel_m64_selected", seed=1)
        raise ValueError(f"{run} is not the folder of a run; give one such as {example}")


def export(run: Path, folder: Path | None, out: Path) -> None:
    """Write the encoder of a finished run to `out` and its card beside it; `folder` has the data set's manifest.

    Raises DamagedError for weights other than those that training wrote, ValueError for another data set's folder.
    """
    spec = PretrainSpec.read(str(run / "spec.json"))
    folder = folder or Path(layout.data_folder(spec.dataset))
    manifest, remedy = folder / "manifest.json", "name a folder that has it with --data; its images are not needed"
    if not manifest.is_file():
        raise FileNotFoundError(f"{manifest} is missing; {remedy}")
    content = read_json(manifest)
    with reading(manifest, remedy):
        data = Manifest.of(content)
    if (name := data.description.name) != spec.dataset:
        raise ValueError(f"{run} is of {spec.dataset}, and {folder} holds {name}: give --data of {spec.dataset}")
    known = facts(run, spec, data)
    settings = {"backbone": spec.backbone, "channels": data.channels}
    encoder = build_encoder(spec.backbone, data.channels)
    read_weights(run / "encoder.safetensors", encoder)
    weights = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    more = {"encoder": json.dumps(settings), "spec": json.dumps(spec.as_dict())}
    content = in_order(save(weights, known | more))
    size = [spec.augment.size] * 2 if spec.augment.size else data.images[2:]
    card = CARD.format(
        title=out.stem,
        rows="\n".join(f"| {name} | {value} |" for name, value in known.items()),
        file=out.name,
        sha256=hashlib.sha256(content).hexdigest(),
        shape=", ".join(map(str, [data.channels, *size])),
        features=encoder.features,
    )
    files = {out: content, out.with_suffix(".md"): card.encode()}
    for path, its in files.items():
        if path.exists() and path.read_bytes() != its:
            raise FileExistsError(f"{path} holds something else; delete it, or name another file with --out")
    for path, its in files.items():
        write_bytes(path, its)


def in_order(content: bytes) -> bytes:
    """A safetensors file with its metadata sorted: these come in a random order, which would change the file's sum.

    The format: length of the header in 8 bytes, header as JSON, values.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def facts(run: Path, spec: PretrainSpec, data: Manifest) -> dict[str, str]:
    """What is said of a run, by the names that it has in card and metadata."""
    remedy = "delete the folder and make the run again"
    probe, geometry, record = (read_json(run / f"{name}.json") for name in ("probe", "geometry", "provenance"))
    origin, training = data.description, spec.training
    with reading(run, remedy):
        if record["sha256"]["encoder.safetensors"] != sha256(run / "encoder.safetensors"):
            raise DamagedError(f"{run / 'encoder.safetensors'} is not the file that training wrote; {remedy}")
        updates = record["views"] // (2 * spec.batch_size)
        ranks = [f"{space} {found['effective_rank']:.1f} of {found['dim']}" for space, found in geometry.items()]
        return {
            "data set": f"{spec.dataset}: {origin.origin}; {origin.citation}",
            "licence of the data": origin.licence,
            "loss": ", ".join(str(value) if key == "name" else f"{key} {value}" for key, value in spec.loss.items()),
            "training": f"{updates} updates of {spec.batch_size} images in two views each, learning rate "
            f"{training.learning_rate} at batch size {training.reference_batch_size}",
            "seed": str(spec.seed),
            "accuracy of a linear probe": f"{probe['test']['accuracy']:.2f} % of the test images ({probe['protocol']})",
            "effective rank": ", ".join(ranks),
            "revision of the code": record["git_revision"],
        }
