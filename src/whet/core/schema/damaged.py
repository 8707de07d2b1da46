"""Read JSON as models write it: comments, single quotes, bare keys, Python words, trailing commas, a missing end.

One pass over the text, bounded depth, and nothing is dropped or made up: what has no single meaning is not read at all.
"""

from __future__ import annotations

import re
from typing import Any, Final

from whet.core.schema.reading import MISSING

__all__ = ["Damaged", "DamagedJson"]

_DEPTH: Final = 100
_BLANK: Final = re.compile(r"(?:\s++|//[^\n]*+|#[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_NUMBER: Final = re.compile(r"[+-]?(?:(?:0|[1-9][0-9_]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.%])")
_WORD: Final = re.compile(r"[^\W\d][\w.-]*")
_PHRASE: Final = re.compile(r"[^\W\d][\w .'/+-]*")
_TEXT: Final = {
    '"': re.compile(r'((?:[^"\\]|\\.)*+)"', re.DOTALL),
    "'": re.compile(r"((?:[^'\\]|\\.)*+)'", re.DOTALL),
    "“": re.compile(r"((?:[^”\\]|\\.)*+)”", re.DOTALL),
}
_LONG: Final = re.compile(r'"""(.*?)"""', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_SIMPLE: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "/": "/", "\n": ""}
_WORDS: Final = {
    "true": True,
    "false": False,
    "null": None,
    "True": True,
    "False": False,
    "None": None,
    "TRUE": True,
    "FALSE": False,
    "NULL": None,
}
_NOT_FINITE: Final = {"NaN": "nan", "nan": "nan", "Infinity": "inf", "inf": "inf"}
_LEFT_OPEN: Final = "closed what the text leaves open"
_CLOSERS: Final = {"[": "]", "(": ")", "{": "}"}


class Damaged(ValueError):
    """The text is no JSON that can be read in one way."""


class DamagedJson:
    """A reader over one text. `notes` says what it mended; `words` allows bare words as text, where nothing else is near.

    >>> reader = DamagedJson("{name: 'Ann', tags: ['a', 'b',], ok: True}")
    >>> reader.whole()
    {'name': 'Ann', 'tags': ['a', 'b'], 'ok': True}
    >>> reader.notes
    ['read a bare key', 'read text in single quotes', 'dropped a trailing comma', 'read a Python word']
    """

    def __init__(self, text: str, *, words: bool = True) -> None:
        self.text = text
        self.at = 0
        self.words = words
        self.notes: list[str] = []

    def whole(self) -> Any:
        """The one value that the whole text is.

        Raises:
            Damaged: it is none.
        """
        value = self._value(0)
        self._skip()
        if value is MISSING or self.at < len(self.text) or (value in ([], {}) and _LEFT_OPEN in self.notes):
            raise Damaged
        return value

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _skip(self) -> str:
        """Step over blanks and comments; the character that follows, empty at the end of the text."""
        found = _BLANK.match(self.text, self.at)
        if found and found.end() > self.at:
            if not found.group().isspace():
                self._note("dropped a comment")
            self.at = found.end()
        return self.text[self.at : self.at + 1]

    def _value(self, depth: int) -> Any:
        char = self._skip()
        if depth > _DEPTH:
            raise Damaged
        if not char:
            self._note(_LEFT_OPEN)
            return MISSING
        if char in "[(":
            return self._array(char, depth)
        if char == "{":
            return self._object(depth)
        if char in _TEXT:
            return self._string(char)
        return self._bare()

    def _array(self, opener: str, depth: int) -> Any:
        self.at += 1
        items: list[Any] = []
        commas = 0
        while not self._closed(_CLOSERS[opener]):
            item = self._value(depth + 1)
            if item is MISSING:
                break
            items.append(item)
            commas += self._comma(_CLOSERS[opener])
        if opener == "(":
            self._note("read a Python tuple")
            return items[0] if len(items) == 1 and not commas else items
        return items

    def _object(self, depth: int) -> Any:
        self.at += 1
        found: dict[str, Any] = {}
        while not self._closed("}"):
            key = self._key()
            if self._skip() != ":":
                return self._set(key, depth, found)
            self.at += 1
            value = self._value(depth + 1)
            if value is MISSING:
                self._note("dropped a key without a value")
                break
            if key in found:
                raise Damaged
            found[key] = value
            self._comma("}")
        return found

    def _set(self, first: Any, depth: int, found: dict[str, Any]) -> Any:
        """A Python set: an object whose first entry is no pair."""
        if self.at >= len(self.text):
            self._note("dropped a key without a value")
            return found
        if found or self.text[self.at] not in ",}":
            raise Damaged
        self._note("read a Python set")
        items = [first]
        self._comma("}")
        while not self._closed("}"):
            item = self._value(depth + 1)
            if item is MISSING:
                break
            items.append(item)
            self._comma("}")
        return items

    def _closed(self, closer: str) -> bool:
        """Whether the container ends here, by its bracket or because the text does."""
        char = self._skip()
        if char == closer:
            self.at += 1
            return True
        if not char:
            self._note(_LEFT_OPEN)
        elif char in "])}":
            raise Damaged
        return not char

    def _comma(self, closer: str) -> bool:
        """Step over what separates two entries; whether it was a comma."""
        before = self.at
        char = self._skip()
        if char == ",":
            self.at += 1
            if self._skip() == closer:
                self._note("dropped a trailing comma")
            return True
        if char and char != closer:
            if self.at == before or (closer != "}" and char not in "[{\"'"):
                raise Damaged
            self._note("added a missing comma")
        return False

    def _key(self) -> Any:
        char = self.text[self.at]
        if char in _TEXT:
            return self._string(char)
        found = _WORD.match(self.text, self.at)
        if not found:
            number = self._bare()
            return str(number) if self._skip() == ":" else number
        self.at = found.end()
        word = found.group()
        if self._skip() != ":" and word in _WORDS:
            return _WORDS[word]
        self._note("read a bare key")
        return word

    def _string(self, quote: str) -> str:
        found = _LONG.match(self.text, self.at) or _TEXT[quote].match(self.text, self.at + 1)
        if quote != '"':
            self._note("read text in single quotes" if quote == "'" else "read text in typographic quotes")
        if found is None:
            body, self.at = self.text[self.at + 1 :], len(self.text)
            if body.rstrip().endswith(("}", "]")):
                raise Damaged
            self._note(_LEFT_OPEN)
        else:
            body, self.at = found.group(1), found.end()
        if "\n" in body:
            self._note("kept a line break inside a text")
        return _ESCAPE.sub(self._unescape, body) if "\\" in body else body

    def _unescape(self, found: re.Match[str]) -> str:
        code = found.group(1)
        if code in _SIMPLE:
            return _SIMPLE[code]
        if len(code) > 6:
            return (chr(int(code[1:5], 16)) + chr(int(code[7:], 16))).encode("utf-16", "surrogatepass").decode("utf-16")
        if len(code) > 1:
            return chr(int(code[1:], 16))
        self._note("kept a backslash that escapes nothing")
        return "\\" + code

    def _bare(self) -> Any:
        """A number, a word that JSON or Python knows, or (where allowed) bare words as text."""
        found = _NUMBER.match(self.text, self.at)
        if found:
            self.at = found.end()
            return self._number(found.group())
        sign = self.text[self.at] if self.text[self.at] in "+-" else ""
        found = _WORD.match(self.text, self.at + len(sign))
        word = found.group() if found else ""
        if word in _NOT_FINITE:
            self.at += len(sign) + len(word)
            return float(sign + _NOT_FINITE[word])
        if word in _WORDS and not sign:
            self.at += len(word)
            if word not in ("true", "false", "null"):
                self._note("read a Python word")
            return _WORDS[word]
        return self._phrase()

    def _phrase(self) -> str:
        found = _PHRASE.match(self.text, self.at) if self.words else None
        if not found:
            raise Damaged
        self.at = found.end()
        if self._skip() not in (",", "]", "}", ")") or "'" in found.group():
            raise Damaged
        self._note("read bare words as text")
        return found.group().strip()

    def _number(self, digits: str) -> int | float:
        if "_" in digits:
            self._note("dropped the separators in a number")
            digits = digits.replace("_", "")
        try:
            return int(digits)
        except ValueError:
            if len(digits) > 4000:
                raise Damaged from None
            return float(digits)
