"""The base of the config's models: what a section of a file is, and what is said of mistakes in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from dhel_kcl.study.mistakes import in_words


class Section(BaseModel):
    """Base: immutable, no keys but its attributes, and no conversion between types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, content: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return read(content)
        except ValidationError as error:
            raise in_words(error, cls.model_fields) from None


@dataclass(frozen=True)
class Named:
    """Of a field: its section is read as the model that `choose` finds by what the section names."""

    choose: Callable[[dict[str, Any]], type[Section]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def read(self, content: Any) -> Section:
        return self.choose(content if isinstance(content, dict) else {}).model_validate(content)
