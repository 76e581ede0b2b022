"""YAML without what JSON lacks or what is settled silently: keys twice or not text, references, NaN, infinity."""

import math
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from dhel_kcl.files import read_text
from dhel_kcl.study.mistakes import ConfigError


def read(path: Path) -> Any:
    """Content of a YAML file: dicts with text as keys, lists, texts, truth values, None, integers of at most 64 bits
    and finite floats.

    Raises ConfigError naming the file and the line.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    try:
        return yaml.load(text, _PlainLoader)
    except Exception as error:  # a wrong tag, such as `!!int x`, makes PyYAML raise many kinds
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            problem = "references (*name) are not allowed, write the value out"
            raise ConstructorError(None, None, problem, self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in seen:
                problem = f"key {key!r} occurs twice" if isinstance(key, str) else f"key {key!r} is not text, quote it"
                raise ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_str(self, node: yaml.ScalarNode) -> str:
        value = super().construct_yaml_str(node)
        try:
            value.encode()
        except UnicodeEncodeError:
            problem = "a text has half of a surrogate pair, which is no character"
            raise ConstructorError(None, None, problem, node.start_mark) from None
        return value

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value = super().construct_yaml_int(node)
        if abs(value) >= 2**63:
            raise ConstructorError(None, None, "an integer needs more than 64 bits", node.start_mark)
        return value

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        value = super().construct_yaml_float(node)
        if not math.isfinite(value):
            raise ConstructorError(None, None, f"{node.value} is no finite number", node.start_mark)
        return value


_PlainLoader.add_constructor("tag:yaml.org,2002:str", _PlainLoader.construct_yaml_str)
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_yaml_int)
_PlainLoader.add_constructor("tag:yaml.org,2002:float", _PlainLoader.construct_yaml_float)
