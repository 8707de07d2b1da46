"""`Type`: the base for field types of your own, as pydantic models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, TypeAdapter

from whet.core.schema.base import Schema
from whet.core.schema.model import Opaque
from whet.core.types.kind import Blocks, FieldType, custom_types

__all__ = ["Type"]


class _Kinds(type(BaseModel)):  # type: ignore[misc]
    """Whet's own field types count as `Type`s, too, for who asks with `isinstance`."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return (cls is Type and isinstance(instance, FieldType)) or super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return (cls is Type and isinstance(subclass, type) and FieldType in subclass.__mro__) or super().__subclasscheck__(subclass)


class Type(BaseModel, metaclass=_Kinds):
    """A field type of your own: a pydantic model that says with `format()` what it puts into a message.

    `format()` returns text, or a list of content blocks in OpenAI's form; a block is handed on as it is and stands in the message as a
    part of its own, also where the value is nested in lists, dicts and models. As an output, the type is read from JSON; if that fails,
    its own validators see the text.

    >>> class Point(Type):
    ...     x: int
    ...     y: int
    ...     def format(self):
    ...         return f"({self.x}, {self.y})"
    >>> Point(x=1, y=2).whet_parts()
    '(1, 2)'
    """

    __whet_parts__: ClassVar[bool] = True

    def format(self) -> Any:
        """The value as text or content blocks."""
        raise NotImplementedError(f"`{type(self).__name__}` must define `format()`.")

    @classmethod
    def description(cls) -> str:
        """What prompts say about the type; may be empty."""
        return ""

    @staticmethod
    def extract_custom_type_from_annotation(annotation: Any) -> list[Any]:
        """The custom types in an annotation, at any depth."""
        return custom_types(annotation)

    @classmethod
    def is_streamable(cls) -> bool:
        """Whether `parse_stream_chunk` reads pieces of an answer."""
        return False

    @classmethod
    def parse_stream_chunk(cls, chunk: Any) -> Any:
        """A value from a piece of a streamed answer, or None."""
        return None

    @classmethod
    def parse_lm_response(cls, response: Mapping[str, Any] | str) -> Any:
        """A value from an answer, or None: its text, or a dict (`text`, `tool_calls`, `reasoning_content`, `citations`) if it has more."""
        return None

    @classmethod
    def adapt_to_native_lm_feature(cls, signature: Any, field_name: str, lm: Any, lm_kwargs: dict[str, Any]) -> Any:
        """The signature to render when the model has this type natively; without the field if the model fills it itself.

        `lm_kwargs` may be changed. Used only for types in the adapter's `native_response_types`.
        """
        return signature

    def whet_parts(self) -> Blocks:
        """The value as text or message parts."""
        shown = self.format()
        return shown if isinstance(shown, (str, list, tuple)) else str(shown)

    @classmethod
    def __whet_schema__(cls) -> Schema:
        return Opaque(cls, TypeAdapter(cls))
