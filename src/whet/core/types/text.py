"""`Code` and `Reasoning`: text with a meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final

from whet.core.types.kind import FieldType
from whet.errors import InputError

__all__ = ["Code", "Reasoning"]

_FENCE: Final = re.compile(r"```[ \t]*[\w+#.-]*[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)


class Code(FieldType):
    """Source code in a language: `Code["java"]`; Python unless said otherwise.

    Out of an answer with a code fence comes what stands in the fence; text without one is kept as it is.

    >>> Code.validated("Here:\\n```python\\nprint(1)\\n```").code, Code["java"].language
    ('print(1)', 'java')
    """

    __slots__ = ("code",)
    text: ClassVar[bool] = True
    language: ClassVar[str] = "python"
    code: str

    def __init__(self, *, code: str) -> None:
        if not isinstance(code, str):
            raise InputError(f"`code` must be a string, not {type(code).__name__}.")
        object.__setattr__(self, "code", _taken_out(code))

    def __class_getitem__(cls, language: Any) -> type[Code]:
        if not isinstance(language, str) or not language:
            raise TypeError(f"`Code[...]` takes the name of a language, such as `Code['python']`, not {language!r}.")
        return _code_in(language)

    @classmethod
    def validated(cls, value: Any) -> Any:
        """Code from a string, a dict with `code`, or code."""
        if isinstance(value, Code):
            return value if isinstance(value, cls) else cls(code=value.code)
        if isinstance(value, Mapping):
            value = value.get("code")
        if not isinstance(value, str):
            raise InputError(f"Code must be a string or a dict with `code`, not {type(value).__name__}.")
        return cls(code=value)

    def dumped(self) -> str:
        """The code as text."""
        return self.code

    @classmethod
    def description(cls) -> str:
        """How code is to be written."""
        return (
            "Code represented in a string, specified in the `code` field. If this is an output field, the code field should follow the "
            f"markdown code block format, e.g. \n```{cls.language.lower()}\n{{code}}\n```\nProgramming language: {cls.language}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("Code cannot be changed; make a new one.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Code) and (self.code, self.language) == (other.code, other.language)

    def __hash__(self) -> int:
        return hash((self.code, self.language))

    def __reduce__(self) -> Any:
        return _restored, (self.language, self.code)

    def __str__(self) -> str:
        return self.code

    def __repr__(self) -> str:
        return f"{type(self).__name__}(code={self.code!r})"


def _restored(language: str, code: str) -> Code:
    new: Code = object.__new__(_code_in(language) if language != "python" else Code)
    object.__setattr__(new, "code", code)
    return new


@lru_cache(maxsize=256)
def _code_in(language: str) -> type[Code]:
    return type(f"Code_{language}", (Code,), {"language": language, "__slots__": (), "__module__": Code.__module__})


def _taken_out(text: str) -> str:
    found = _FENCE.search(text)
    return found.group(1).strip() if found else text


class Reasoning(str, FieldType):
    """A model's thinking before its answer: a string in every way, filled from the model's own reasoning where it has one.

    >>> Reasoning(content="so it is") + "!"
    'so it is!'
    """

    __slots__ = ()
    text: ClassVar[bool] = True
    __whet_type_name__ = "str"

    def __new__(cls, content: Any = "") -> Reasoning:
        return super().__new__(cls, cls._text_of(content))

    @staticmethod
    def _text_of(value: Any) -> str:
        if isinstance(value, Mapping):
            value = value.get("content")
        if not isinstance(value, str):
            raise InputError(f"Reasoning must be a string or a dict with `content`, not {type(value).__name__}.")
        return str.__str__(value)

    @property
    def content(self) -> str:
        """The text as a plain `str`."""
        return str.__str__(self)

    def format(self, *args: Any, **kwargs: Any) -> str:
        """The text; with arguments `str.format`."""
        return str.format(self, *args, **kwargs) if args or kwargs else self.content

    @classmethod
    def validated(cls, value: Any) -> Reasoning:
        """Reasoning from a string or a dict with `content`."""
        return value if isinstance(value, Reasoning) else cls(value)

    def dumped(self) -> str:
        """The text."""
        return self.content

    def __add__(self, other: Any) -> Any:
        joined = str.__add__(self, other)
        return Reasoning(joined) if isinstance(other, Reasoning) else joined

    def __radd__(self, other: str) -> str:
        return str.__add__(other, self)

    def __str__(self) -> str:
        return self.content

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"`Reasoning` is text and has no attribute `{name}`; what it has beside that of `str` is `content`.")

    def __reduce__(self) -> Any:
        return Reasoning, (self.content,)
