"""Reads the config's files into the models of `schema`. What these do not know, and what does not go together, is an
error that names the file, the key and what is allowed.
"""

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dhel_kcl.study import layout, plain_yaml
from dhel_kcl.study.contradictions import contradictions
from dhel_kcl.study.mistakes import MOST, ConfigError, did_you_mean, listed
from dhel_kcl.study.schema import MERGED, REPLACED, GlobalConfig, JointConfig, Own, SuiteConfig, merged
from dhel_kcl.study.section import Section
from dhel_kcl.study.values import OWN_NAME

FOLDERS = ("published", "runs")
"""What lies beside the folders of suites, in results/ or results/runs/."""
AnySection = TypeVar("AnySection", bound=Section)


def load_global(root: Path) -> GlobalConfig:
    """config/config.yaml below `root`, checked, with defaults. Raises ConfigError."""
    path = root / layout.GLOBAL_CONFIG
    return _checked(GlobalConfig, path, plain_yaml.read(path))


def load_suites(root: Path, name: str) -> dict[str, SuiteConfig]:
    """{name: config} of the suite `name` below `root`, or of each suite that it joins.

    Raises ConfigError naming the file, the key and what is allowed.
    """
    path, content = _content(root, name)
    if not _is_joint(content):
        return {name: load_suite(root, name)}
    joint, suites = _checked(JointConfig, path, content), {}
    for each in joint.suites:
        if each not in suite_names(root) or _is_joint(_content(root, each)[1]):
            allowed = [other for other in suite_names(root) if not _is_joint(_content(root, other)[1])]
            raise ConfigError(f"{path}: suites: {each!r} is unknown{did_you_mean(each, allowed)}")
        suites[each] = load_suite(root, each)
    for one, other in itertools.combinations(suites, 2):
        if both := [dataset for dataset in suites[one].datasets if dataset in suites[other].datasets]:
            raise ConfigError(f"{path}: suites: {one} and {other} both have {both[0]}; name one of the two")
    return suites


def load_suite(root: Path, name: str) -> SuiteConfig:
    """config/suites/`name`.yaml below `root`, checked, with defaults and every data set's settings complete.

    Raises ConfigError naming the file, the key and what is allowed.
    """
    path, content = _content(root, name)
    _checked(SuiteConfig, path, content)  # before anything is inherited, so that a mistake is named where it stands
    suite = _checked(SuiteConfig, path, _completed(content))
    if found := list(itertools.islice(dict.fromkeys(contradictions(suite)), MOST)):
        raise ConfigError("\n".join(f"{path}: {text}" for text in found))
    return suite


def own_images(suites: Mapping[str, SuiteConfig]) -> dict[str, Own]:
    """Settings of all data sets of one's own images, by name. suites: by name.

    Raises ConfigError if two suites say different things of one: it is prepared once.
    """
    found: dict[str, tuple[str, Own]] = {}
    for suite, config in suites.items():
        for name, settings in config.datasets.items():
            if isinstance(settings, Own):
                other, first = found.setdefault(name, (suite, settings))
                keys = [key for key in ("folder", "size", "streamed") if getattr(first, key) != getattr(settings, key)]
                if keys:
                    path = layout.SUITE_CONFIG.format(suite=suite)
                    raise ConfigError(
                        f"{path}: datasets.{name}.{keys[0]}: suite {other} says {getattr(first, keys[0])} of the data "
                        f"set of the same name, and not {getattr(settings, keys[0])}; choose another name"
                    )
    return {name: settings for name, (_, settings) in found.items()}


def suite_names(root: Path) -> list[str]:
    """Names of the suites that there are below `root`. Raises ConfigError for a file that can be none by its name."""
    pattern = layout.SUITE_CONFIG.format(suite="*")
    if other := sorted(root.glob(pattern.removesuffix(".yaml") + ".yml")):
        raise ConfigError(f"{other[0]}: is not read; rename it to {other[0].with_suffix('.yaml').name}")
    names = sorted(path.stem for path in root.glob(pattern))
    if wrong := [name for name in names if not re.fullmatch(OWN_NAME, name)]:
        path = root / layout.SUITE_CONFIG.format(suite=wrong[0])
        raise ConfigError(f"{path}: {wrong[0]!r} is no name for a suite; use a-z, 0-9 and _")
    if taken := sorted(set(names) & set(taken_names(root))):
        path = root / layout.SUITE_CONFIG.format(suite=taken[0])
        raise ConfigError(f"{path}: {taken[0]} is the name of a rule or folder of the workflow; rename the file")
    return names


def taken_names(root: Path) -> list[str]:
    """Names that no suite may have: those of the workflow's rules below `root`, since a suite is a target of its name,
    too, and of `FOLDERS`."""
    files = [root / "Snakefile", *root.glob("workflow/rules/*.smk")]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in files if path.is_file())
    return sorted({*re.findall(r"^ *(?:use rule \w+ as|rule) (\w+)(?: with)?:", texts, re.MULTILINE), *FOLDERS})


def _content(root: Path, name: str) -> tuple[Path, Any]:
    """Path and content of a suite's file."""
    path = root / layout.SUITE_CONFIG.format(suite=name)
    names = suite_names(root)
    if not names:
        raise ConfigError(f"{path} is not there: run this in the repository's folder, or name it with --root")
    if name not in names:
        raise ConfigError(f"{path}: there is no such suite{did_you_mean(name, names)}")
    return path, plain_yaml.read(path)


def _is_joint(content: Any) -> bool:
    return isinstance(content, dict) and "suites" in content


def _checked(model: type[AnySection], path: Path, content: Any) -> AnySection:
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in listed(error))) from error


def _completed(suite: dict[str, Any]) -> dict[str, Any]:
    """Content of a suite's file in which each data set has all settings, and each section all data sets; without what
    is left out."""
    left_out = suite.get("leave_out", ())
    suite = {key: value for key, value in suite.items() if key not in left_out}
    datasets = {}
    for name, own in suite["datasets"].items():
        own = {key: value for key, value in own.items() if key not in left_out}
        both = {key: suite.get(key, {}) | own.get(key, {}) for key in MERGED}
        both["training"] = merged(suite.get("training", {}), own.get("training", {}))
        datasets[name] = {key: suite[key] for key in REPLACED if key in suite} | own | both
        if not {"losses", "floors"} & (suite.keys() | own.keys()):
            datasets[name]["floors"] = {"seeds": []}
    sections = {key: {"datasets": list(datasets)} | suite[key] for key in ("ablations", "causes") if suite.get(key)}
    return suite | sections | {"datasets": datasets}
