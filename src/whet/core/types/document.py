"""`Document` and `Citations`: texts that a model may quote, and where it quoted them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from whet.core.exchange import Citation as ModelCitation
from whet.core.types.kind import FieldType
from whet.errors import InputError

__all__ = ["Citations", "Document"]


@dataclass(frozen=True)
class Document(FieldType):
    """A text that a model can quote with its place; a plain string counts as one. `context` is told to the model and not quoted from.

    >>> Document("The sky is blue.", title="Sky").format()["source"]["data"]
    'The sky is blue.'
    """

    data: str
    title: str | None = None
    media_type: str = "text/plain"
    context: str | None = None
    __whet_parts__: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.data, str):
            raise InputError(f"The `data` of a Document is its text, not {self.data!r}.")

    def format(self) -> dict[str, Any]:
        """The document block, with citations switched on."""
        block: dict[str, Any] = {
            "type": "document",
            "source": {"type": "text", "media_type": self.media_type, "data": self.data},
            "citations": {"enabled": True},
        }
        return {**block, **{name: value for name, value in (("title", self.title), ("context", self.context)) if value}}

    def whet_parts(self) -> list[Any]:
        """The document block."""
        return [self.format()]

    @classmethod
    def validated(cls, value: Any) -> Document:
        """A document from a document, its text, or a dict of its fields."""
        if isinstance(value, Document):
            return value
        if isinstance(value, str):
            return cls(value)
        if not isinstance(value, Mapping) or not isinstance(value.get("data"), str):
            raise InputError(f"{str(value)[:100]!r} is no document. What fits: a string, or a dict with `data`.")
        return cls(**{f.name: value[f.name] for f in fields(cls) if value.get(f.name) is not None})

    def dumped(self) -> dict[str, Any]:
        """Its fields as plain data."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}

    @classmethod
    def description(cls) -> str:
        """How a document is to be written."""
        return (
            "A document containing text content that can be referenced and cited. "
            "Include the full text content and optionally a title for proper referencing."
        )

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """An object with the text."""
        text = {"type": "string"}
        return {"type": "object", "properties": {"data": text, "title": text}, "required": ["data"], "title": "Document"}


@dataclass(frozen=True)
class Citation:
    """A quoted passage: its text, the document's number, and from which character to which."""

    cited_text: str
    document_index: int
    start_char_index: int
    end_char_index: int
    document_title: str | None = None
    supported_text: str | None = None
    type: str = "char_location"

    def format(self) -> dict[str, Any]:
        """Its fields, the empty optional ones left out."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}


@dataclass(frozen=True)
class Citations(FieldType):
    """The passages that an answer quotes, in order; a sequence.

    >>> quote = {"cited_text": "blue", "document_index": 0, "start_char_index": 11, "end_char_index": 15}
    >>> Citations.from_dict_list([quote])[0].cited_text
    'blue'
    """

    citations: list[Citation] = field(default_factory=list)
    Citation: ClassVar[Any] = Citation

    def __post_init__(self) -> None:
        object.__setattr__(self, "citations", [_citation(one) for one in self.citations])

    @classmethod
    def from_dict_list(cls, citations: Iterable[Any]) -> Citations:
        """Citations from dicts of their fields."""
        return cls(citations=list(citations))

    @classmethod
    def validated(cls, value: Any) -> Citations:
        """Citations from citations, a list of dicts, one dict, or a dict with `citations`."""
        if isinstance(value, Citations):
            return value
        if isinstance(value, Mapping):
            value = value.get("citations", [value])
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{str(value)[:100]!r} holds no citations. What fits: a list of dicts, or a dict with `citations`.")
        return cls(citations=list(value))

    def format(self) -> list[dict[str, Any]]:
        """A list of dicts without empty optional keys."""
        return [one.format() for one in self.citations]

    def dumped(self) -> dict[str, Any]:
        """The same under the key `citations`."""
        return {"citations": self.format()}

    @classmethod
    def is_streamable(cls) -> bool:
        """Citations come one by one."""
        return True

    @classmethod
    def description(cls) -> str:
        """How citations are to be written."""
        return "Citations with quoted text and source references. Include the exact text being cited and information about its source."

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """An object with the list of citations."""
        text, number = {"type": "string"}, {"type": "integer"}
        one = {
            "type": "object",
            "properties": {
                "cited_text": text,
                "document_index": number,
                "start_char_index": number,
                "end_char_index": number,
                "document_title": {"anyOf": [text, {"type": "null"}]},
                "supported_text": {"anyOf": [text, {"type": "null"}]},
            },
            "required": ["cited_text", "document_index", "start_char_index", "end_char_index"],
            "title": "Citation",
        }
        items = {"type": "array", "items": {"$ref": "#/$defs/Citation"}}
        whole = {"type": "object", "properties": {"citations": items}, "required": ["citations"], "title": "Citations"}
        return {**whole, "$defs": {"Citation": one}}

    def __len__(self) -> int:
        return len(self.citations)

    def __iter__(self) -> Iterator[Citation]:
        return iter(self.citations)

    def __getitem__(self, index: Any) -> Any:
        return self.citations[index]

    def __hash__(self) -> int:
        return hash(tuple(self.citations))


def _citation(value: Any) -> Citation:
    if isinstance(value, Citation):
        return value
    if isinstance(value, ModelCitation):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if not isinstance(value, Mapping):
        raise InputError(f"{str(value)[:100]!r} is no citation.")
    given = {f.name: value[f.name] for f in fields(Citation) if value.get(f.name) is not None}
    needed = {"cited_text": "", "document_index": 0, "start_char_index": 0, "end_char_index": 0}
    if not isinstance(given.get("cited_text"), str):
        raise InputError(f"A citation needs `cited_text`; got {str(value)[:100]}.")
    return Citation(**{**needed, **given})
