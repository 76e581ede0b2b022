"""Reading config files: one schema states every key, its meaning, default and range; anything else stops the run.

Example:
    python -m dhel_kcl.study.config --root . > docs/configuration.md
"""

import difflib
import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from dhel_kcl.data.catalogue import CATALOGUE, split_sizes
from dhel_kcl.runtime import cli

SCALAR_KEYS = {"loss", "title", "kernel"}
"""Keys of a loss that are no grid axis."""
MERGED = ("training", "seeds", "floors", "probe")
"""Objects of a suite that a data set overrides key by key."""
REPLACED = ("backbone", "batch_sizes", "losses", "processes")
"""Keys of a suite that a data set overrides as a whole."""


class ConfigError(ValueError):
    """A config file that cannot be used; the message names the file, the key and what is allowed."""


class _PlainLoader(yaml.SafeLoader):
    """YAML without what JSON lacks or settles silently: keys twice or not text, references, NaN, infinity."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            problem = "references (*name) are not allowed, write the value out"
            raise yaml.constructor.ConstructorError(None, None, problem, self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in seen:
                problem = f"key {key!r} occurs twice" if isinstance(key, str) else f"key {key!r} is not text, quote it"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value = super().construct_yaml_int(node)
        if abs(value) >= 2**63:
            raise yaml.constructor.ConstructorError(None, None, "an integer needs more than 64 bits", node.start_mark)
        return value

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        value = super().construct_yaml_float(node)
        if not math.isfinite(value):
            raise yaml.constructor.ConstructorError(None, None, f"{node.value} is no finite number", node.start_mark)
        return value


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_yaml_int)
_PlainLoader.add_constructor("tag:yaml.org,2002:float", _PlainLoader.construct_yaml_float)

_Validator = validators.extend(
    Draft202012Validator,
    # JSON Schema takes 3.0 for an integer; Python's range and a run's path do not.
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def load_global(root: Path) -> dict[str, Any]:
    """config/config.yaml below `root`, checked, with defaults."""
    return _load(root / "config/config.yaml", root / "workflow/schemas/config.schema.yaml")


def load_suite(root: Path, name: str) -> dict[str, Any]:
    """config/suites/`name`.yaml below `root`, checked, with defaults; loss parameters are lists.

    Raises ConfigError naming the file, the key and the allowed values.
    """
    path = root / f"config/suites/{name}.yaml"
    if name not in suite_names(root):
        raise ConfigError(f"{path}: there is no such suite; allowed: {', '.join(suite_names(root))}")
    content = _load(path, root / "workflow/schemas/suite.schema.yaml")
    names = set(content["losses"]).union(*(settings["losses"] for settings in content["datasets"].values()))
    for part in ("ablations", "trade_off"):
        settings = content.get(part)
        if settings is None:
            continue
        if both := sorted(settings["losses"].keys() & names):
            raise ConfigError(f"{path}: {part}.losses.{both[0]}: the name is already used; choose another")
        names |= set(settings["losses"])
        settings.setdefault("datasets", list(content["datasets"]))
        for dataset in settings["datasets"]:
            if dataset not in content["datasets"]:
                allowed = ", ".join(content["datasets"])
                raise ConfigError(f"{path}: {part}.datasets: {dataset!r} is unknown; allowed: {allowed}")
            if (size := settings["batch_size"]) not in (sizes := content["datasets"][dataset]["batch_sizes"]):
                raise ConfigError(f"{path}: {part}.batch_size: {size} is not one of batch_sizes {sizes}")
    curves: dict[tuple[str, ...], str] = {}
    for name, entry in content.get("trade_off", {}).get("losses", {}).items():
        where = f"{path}: trade_off.losses.{name}"
        if "temperature" not in entry:
            raise ConfigError(f"{where}: the key 'temperature' is missing")
        if len(forms := entry.get("form", [])) > 1:
            raise ConfigError(f"{where}.form: give each form an entry of its own")
        if (other := curves.setdefault((entry["loss"], *forms), name)) != name:
            raise ConfigError(f"{where}: has the loss and form of {other}; join the two")
    for dataset, settings in content["datasets"].items():
        further = {"seeds.selected": settings["seeds"]["selected"]}
        further["ablations.seeds"] = content.get("ablations", {}).get("seeds", [])
        for key, seeds in further.items():
            if (grid := settings["seeds"]["grid"]) in seeds:
                raise ConfigError(f"{path}: {key}: contains the grid's seed {grid}, which runs anyway")
        augmented = settings["probe"].get("augmented", {"augment": settings["augment"]})
        for key, augment in (("augment", settings["augment"]), ("probe.augmented.augment", augmented["augment"])):
            for limits in ("crop_scale", "blur_sigma"):
                low, high = augment[limits]
                if low > high:
                    raise ConfigError(f"{path}: datasets.{dataset}.{key}.{limits}: {low} is above {high}")
            if augment["pad"] and (augment["crop_scale"] != [1, 1] or augment["size"] or augment["rotation"]):
                need = "crop_scale [1, 1], no size and no rotation"
                raise ConfigError(f"{path}: datasets.{dataset}.{key}.pad: {augment['pad']} needs {need}")
        processes = settings["processes"]
        if wrong := [size for size in settings["batch_sizes"] if size % processes]:
            raise ConfigError(
                f"{path}: datasets.{dataset}: a batch of {wrong[0]} cannot be shared by {processes} processes; "
                "make batch_sizes multiples of processes"
            )
        if dataset in CATALOGUE:
            _check_sizes(f"{path}: datasets.{dataset}", dataset, settings)
    return content


def _check_sizes(where: str, dataset: str, settings: dict[str, Any]) -> None:
    """Whether the data set has as many images as are asked for."""
    try:
        split = settings["split"]
        images = split_sizes(dataset, train=split["train"], validation=split["validation"], test=split["test"])
    except ValueError as error:
        raise ConfigError(f"{where}.split: {error}") from error
    for key, size, part in (
        ("batch_sizes", max(settings["batch_sizes"]), "pretrain"),
        ("floors.batch_size", settings["floors"]["batch_size"], "train"),
    ):
        if size > images[part]:
            remedy = "lower it" if settings["split"]["train"] is None else "lower it or raise split.train"
            raise ConfigError(f"{where}.{key}: {size} is above the {images[part]} training images; {remedy}")


def suite_names(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "config/suites").glob("*.yaml"))


def _load(path: Path, schema_path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _PlainLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # a wrong tag, such as `!!int x`, makes PyYAML raise many kinds
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    schema = _schema(schema_path.read_text(encoding="utf-8"))
    content = {} if content is None else content
    if isinstance(content, dict):
        datasets = content.get("datasets")
        parts = [content, content.get("ablations"), content.get("trade_off")]
        for holder in [*parts, *(datasets.values() if isinstance(datasets, dict) else ())]:
            _listify_losses(holder.get("losses") if isinstance(holder, dict) else None)
    errors = sorted(_Validator(schema).iter_errors(content), key=lambda error: (len(error.path), str(error.path)))
    if errors:
        raise ConfigError("\n".join(f"{path}: {_explain(error)}" for error in errors[:5]))
    for settings in content.get("datasets", {}).values():
        _inherit(settings, content)
    _fill_defaults(content, schema, schema)
    return content


def _inherit(settings: dict[str, Any], suite: dict[str, Any]) -> None:
    """Complete a data set's settings by the suite's."""
    for key in MERGED:
        settings[key] = json.loads(json.dumps(suite.get(key, {}) | settings.get(key, {})))
    for key in REPLACED:
        if key in suite:
            settings.setdefault(key, json.loads(json.dumps(suite[key])))


@cache
def _schema(text: str) -> Any:
    return yaml.safe_load(text)


def _listify_losses(losses: Any) -> None:
    """`temperature: 0.3` means the list [0.3]."""
    for entry in losses.values() if isinstance(losses, dict) else ():
        if isinstance(entry, dict):
            for key, value in entry.items():
                if key not in SCALAR_KEYS and not isinstance(value, list):
                    entry[key] = [value]


def _fill_defaults(content: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> None:
    """Set absent keys to their defaults; an absent object to its members' defaults, unless it has required keys."""
    for key, sub in schema.get("properties", {}).items():
        sub = _resolve(sub, root)
        if key not in content:
            if "default" in sub:
                content[key] = json.loads(json.dumps(sub["default"]))
            elif sub.get("type") == "object" and "properties" in sub and "required" not in sub:
                content[key] = {}
        if isinstance(content.get(key), dict):
            _fill_defaults(content[key], sub, root)
    members = schema.get("additionalProperties")
    if isinstance(members, dict):
        for value in content.values():
            if isinstance(value, dict):
                _fill_defaults(value, _resolve(members, root), root)


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    return root["$defs"][schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema


def _explain(error: ValidationError) -> str:
    key = ".".join(str(part) for part in error.absolute_path)
    where = f"{key}: " if key else ""
    if error.validator == "additionalProperties" and isinstance(error.schema, dict):
        allowed = list(error.schema.get("properties", {}))
        unknown = next(name for name in error.instance if name not in allowed)
        close = difflib.get_close_matches(str(unknown), allowed, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        return f"{where}unknown key {unknown!r}{hint}; allowed: {', '.join(allowed)}"
    if error.validator == "enum":
        close = difflib.get_close_matches(str(error.instance), [str(value) for value in error.validator_value], n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        return f"{where}{error.instance!r} is unknown{hint}; allowed: {', '.join(map(str, error.validator_value))}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{where}the key {missing!r} is missing"
    if error.validator in ("minItems", "minProperties"):
        return f"{where}is empty; give at least {error.validator_value}"
    if error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, str) else " or ".join(error.validator_value)
        hint = (
            "; YAML reads a number such as 1e-6 as text, write 1.0e-6"
            if wanted in ("number", "integer") and isinstance(error.instance, str)
            else ""
        )
        return f"{where}{error.instance!r} is not of type {wanted}{hint}"
    return f"{where}{error.message}"


def document(root: Path) -> str:
    """Markdown tables of every key, generated from the schemas."""
    lines = ["# Configuration", "", "Generated from workflow/schemas by `make docs`. Unknown keys are errors.", ""]
    for name in ("config", "suite"):
        schema = yaml.safe_load((root / f"workflow/schemas/{name}.schema.yaml").read_text())
        lines += [f"## {schema['title']}", "", "| key | meaning | default | allowed |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(row)} |" for row in _rows(schema, schema, "")]
        lines.append("")
        variants = {name: sub for name, sub in schema.get("$defs", {}).items() if "loss" in sub.get("properties", {})}
        for variant, sub in variants.items():
            if variant == "loss":
                continue
            lines += [f"### Parameters of {variant}", "", "| key | meaning | default | allowed |", "|---|---|---|---|"]
            rows = _rows(sub, schema, "")
            lines += [f"| {' | '.join(row)} |" for row in rows]
            lines.append("")
    return "\n".join(lines)


def _rows(schema: dict[str, Any], root: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for key, reference in schema.get("properties", {}).items():
        sub = _resolve(reference, root)
        default = (
            json.dumps(sub["default"])
            if "default" in sub
            else ("required" if key in schema.get("required", []) else "")
        )
        yield f"`{prefix}{key}`", sub.get("description", ""), default, _allowed(sub)
        if "properties" in sub:
            yield from _rows(sub, root, f"{prefix}{key}.")
        if isinstance(sub.get("additionalProperties"), dict):
            member = _resolve(sub["additionalProperties"], root)
            yield f"`{prefix}{key}.<name>`", member.get("description", ""), "", "object"
            if "allOf" not in member:
                yield from _rows(member, root, f"{prefix}{key}.<name>.")


def _allowed(sub: dict[str, Any]) -> str:
    if "enum" in sub:
        return ", ".join(map(str, sub["enum"]))
    if "propertyNames" in sub and "enum" in sub["propertyNames"]:
        return f"names: {', '.join(sub['propertyNames']['enum'])}"
    if sub.get("type") == "array":
        low, high = sub.get("minItems", 0), sub.get("maxItems")
        count = f"{low}" if low == high else f"at least {low}"
        return f"list of {_allowed(sub['items'])} ({count})"
    if "type" not in sub:
        return ""
    kind = sub["type"] if isinstance(sub["type"], str) else " or ".join(sub["type"])
    signs = {
        "minimum": ">=",
        "exclusiveMinimum": ">",
        "maximum": "<=",
        "exclusiveMaximum": "<",
        "multipleOf": "multiple of",
    }
    bounds = [f"{sign} {sub[name]}" for name, sign in signs.items() if name in sub]
    return " ".join([kind, ", ".join(bounds)]).strip()


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--root", default=Path(), type=Path, help="repository folder")
    print(document(parser.parse_args().root), end="")


if __name__ == "__main__":
    cli.run(main)
