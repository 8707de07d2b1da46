"""Finds the fields of an answer while it comes, in pieces of any size. Only what could still be part of a sign is held back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from whet.adapters.elements import is_nested, unescape

if TYPE_CHECKING:
    from whet.adapters.chat import Marks
    from whet.core.signature import Signature

__all__ = ["ElementScanner", "MarkerScanner", "ObjectScanner", "Piece", "Scanner"]


class Piece(NamedTuple):
    """More of a field: its text so far unseen; `done` when the field is complete."""

    field: str
    text: str
    done: bool = False


class Scanner(Protocol):
    """Reads an answer piece by piece."""

    def feed(self, text: str) -> list[Piece]:
        """What is known now that was not known before."""

    def finish(self) -> list[Piece]:
        """What the end of the answer completes."""


class MarkerScanner:
    """Sections under markers, as `ChatAdapter` reads them. `whole` reads a section that came in one piece, last or not."""

    def __init__(self, signature: Signature, marks: Marks, whole: Callable[[str, bool], str]) -> None:
        self._whole = whole
        self._names = set(signature.output_fields)
        self._text = {name for name, f in signature.output_fields.items() if f.schema.is_text}
        self._marks = marks
        self._field: str | None = None
        self._begun = False
        self._exact = False
        self._line_start = True
        self._rest = ""

    def feed(self, text: str) -> list[Piece]:
        """More of the answer."""
        out: list[Piece] = []
        rest = self._rest + text
        while found := self._marks.found.search(rest, 0 if self._line_start else 1):
            if found.end() == len(rest) and not self._marks.closed:
                break  # the name may go on
            self._close(rest[: found.start()], out)
            self._open(found.group(1))
            rest = rest[found.end() :]
        self._rest = self._advance(rest, out)
        return out

    def finish(self) -> list[Piece]:
        """The end of the answer."""
        out: list[Piece] = []
        found = self._marks.found.search(self._rest, 0 if self._line_start else 1)
        if found:
            self._close(self._rest[: found.start()], out)
            self._open(found.group(1))
            self._rest = self._rest[found.end() :]
        self._close(self._rest, out, last=True)
        self._rest = ""
        return out

    def _open(self, name: str) -> None:
        self._field = name if name in self._names else None
        self._names.discard(name)
        self._begun = self._exact = self._line_start = False

    def _advance(self, rest: str, out: list[Piece]) -> str:
        keep = self._held(rest)
        text, held = rest[:keep], rest[keep:]
        if self._field is None:
            self._line_start = text.endswith("\n") if text else self._line_start
            return held
        if not self._begun:
            text = self._first(text)
            if not text:
                return rest
        body = text.rstrip()
        if body.endswith("\n\\"):  # it may protect the line breaks at the end
            body = body[:-2].rstrip()
        if body:
            out.append(Piece(self._field, self._plain(body)))
            self._begun, self._line_start = True, False
            return text[len(body) :] + held
        return text + held if self._begun else rest

    def _first(self, text: str) -> str:
        """The text without the blank lines before it; without all blanks where it stands on the marker's own line."""
        bare = text.lstrip()
        if not bare:
            return ""
        self._exact = "\n" in text[: len(text) - len(bare)] and self._field in self._text
        if not (self._exact and text.startswith("\n")):
            return bare
        lines = text.lstrip("\n")
        return lines[2:] if lines.startswith("\\\n") else lines

    def _held(self, rest: str) -> int:
        """From where on the text may be the beginning of a marker."""
        start = rest.rfind("\n") + 1
        if not start and not self._line_start and rest:
            return len(rest)
        line = rest[start:].lstrip(" \t").lstrip("\\")
        lead = self._marks.lead
        return start if lead.startswith(line) or (line.startswith(lead) and self._marks.could_grow(line)) else len(rest)

    def _plain(self, text: str) -> str:
        if "\\" + self._marks.lead not in text:
            return text
        head, line_end, more = ("", "", text) if self._line_start or not self._begun else text.partition("\n")
        return head + line_end + self._marks.escaped.sub(r"\1\2", more)

    def _close(self, rest: str, out: list[Piece], *, last: bool = False) -> None:
        if self._field is None:
            return
        if not self._begun:
            text = self._whole(rest, last)
            out.append(Piece(self._field, text if self._field in self._text else text.strip(), True))
            self._field = None
            return
        text = rest
        closed = text.removesuffix("\n\n")
        if text.endswith("\n\\") or closed.endswith("\n\\"):
            text = closed.removesuffix("\n\\")
        elif self._exact and not last and text.endswith("\n\n"):
            text = text.rstrip("\n")
        else:
            text = text.rstrip()
        out.append(Piece(self._field, self._plain(text), True))
        self._field = None


class ElementScanner:
    """Elements, as `XMLAdapter` reads them; nested ones are given as they are written."""

    def __init__(self, signature: Signature) -> None:
        self._nested = {name: is_nested(f.schema) for name, f in signature.output_fields.items()}
        names = "|".join(re.escape(name) for name in self._nested)
        self._opening = re.compile(rf"<({names})(?:\s[^<>]*?)?(/?)>")
        self._seen: set[str] = set()
        self._field: str | None = None
        self._hidden = False
        self._begun = False
        self._rest = ""

    def feed(self, text: str) -> list[Piece]:
        """More of the answer."""
        out: list[Piece] = []
        self._rest += text
        while self._step(out):
            pass
        return out

    def _step(self, out: list[Piece]) -> bool:
        if self._field is None:
            found = self._opening.search(self._rest)
            if not found:
                cut = self._rest.rfind("<")
                self._rest = self._rest[cut:] if cut >= 0 else ""
                return False
            self._field, self._begun = found.group(1), False
            self._hidden = self._field in self._seen
            self._seen.add(self._field)
            self._rest = self._rest[found.end() :]
            if found.group(2):
                self._end("", out)
            return True
        close = f"</{self._field}>"
        end = self._rest.find(close)
        if end >= 0:
            text, self._rest = self._rest[:end], self._rest[end + len(close) :]
            self._end(text, out)
            return True
        self._more(close, out)
        return False

    def _more(self, close: str, out: list[Piece]) -> None:
        rest = self._rest if self._begun else self._rest.lstrip()
        cut = rest.rfind("<")
        cut = cut if cut >= 0 and close.startswith(rest[cut:]) else len(rest)
        sign = rest.rfind("&", max(0, cut - 10), cut)
        if sign >= 0 and ";" not in rest[sign:cut]:
            cut = sign
        body = rest[:cut].rstrip()
        if body:
            if not self._hidden:
                out.append(Piece(str(self._field), self._plain(body)))
            self._begun = True
        self._rest = rest[len(body) :]

    def _plain(self, text: str) -> str:
        return text if self._nested[str(self._field)] else unescape(text)

    def _end(self, text: str, out: list[Piece]) -> None:
        if not self._hidden:
            text = text.rstrip() if self._begun else text.strip()
            out.append(Piece(str(self._field), self._plain(text), True))
        self._field = None

    def finish(self) -> list[Piece]:
        """The end of the answer."""
        out: list[Piece] = []
        if self._field is not None:
            self._end(self._rest, out)
        self._rest = ""
        return out


_STRING: Final = re.compile(r'[^"\\]+')
_INSIDE: Final = re.compile(r'[^"\\{}\[\],]+')
_ESCAPE: Final = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^u])")
_LONGEST_ESCAPE: Final = 12


class ObjectScanner:
    """The keys of one JSON object, as `JSONAdapter` reads it: text fields decoded, others as they are written."""

    def __init__(self, signature: Signature) -> None:
        self._text = {name: f.schema.is_text for name, f in signature.output_fields.items()}
        self._state = "before"
        self._key = ""
        self._field: str | None = None
        self._seen: set[str] = set()
        self._depth = 0
        self._quoted = False
        self._grown: list[str] = []
        self._rest = ""

    def feed(self, text: str) -> list[Piece]:
        """More of the answer."""
        out: list[Piece] = []
        rest, place = self._rest + text, 0
        while place < len(rest):
            state = self._state
            after = _STEPS[state](self, rest, place, out)
            if after == place and state is self._state:
                break
            place = after
        self._flush(out)
        self._rest = rest[place:]
        return out

    def finish(self) -> list[Piece]:
        """The end of the answer."""
        out: list[Piece] = []
        if self._field is not None and self._state in ("text", "value"):
            self._done(out)
        return out

    def _flush(self, out: list[Piece]) -> None:
        if self._grown and self._field is not None:
            text = "".join(self._grown)
            if self._state == "value" and not self._quoted:
                text = text.rstrip()  # blanks after a value are no part of it
                self._grown = ["".join(self._grown)[len(text) :]]
            else:
                self._grown = []
            if text:
                out.append(Piece(self._field, text))
        else:
            self._grown = []

    def _done(self, out: list[Piece]) -> None:
        if self._field is not None:
            text = "".join(self._grown)
            out.append(Piece(self._field, text if self._state == "text" else text.rstrip(), True))
        self._grown, self._field = [], None

    def _before(self, rest: str, place: int, out: list[Piece]) -> int:
        found = rest.find("{", place)
        self._state = "keys" if found >= 0 else "before"
        return found + 1 if found >= 0 else len(rest)

    def _keys(self, rest: str, place: int, out: list[Piece]) -> int:
        char = rest[place]
        if char == '"':
            self._state, self._key = "key", ""
        elif char == "}":
            self._state = "after"
        return place + 1

    def _in_key(self, rest: str, place: int, out: list[Piece]) -> int:
        if rest[place] == '"':
            self._state = "colon"
            return place + 1
        text, after = _unquoted(rest, place)
        self._key += text
        return after

    def _colon(self, rest: str, place: int, out: list[Piece]) -> int:
        char = rest[place]
        if char in ": \t\r\n":
            return place + 1
        new = self._key in self._text and self._key not in self._seen
        self._field = self._key if new else None
        self._seen.add(self._key)
        if char == '"' and self._text.get(self._key, False):
            self._state = "text"
            return place + 1
        self._state, self._depth, self._quoted = "value", 0, False
        return place

    def _in_text(self, rest: str, place: int, out: list[Piece]) -> int:
        if rest[place] == '"':
            self._done(out)
            self._state = "keys"
            return place + 1
        text, after = _unquoted(rest, place)
        self._grown.append(text)
        return after

    def _in_value(self, rest: str, place: int, out: list[Piece]) -> int:
        char = rest[place]
        if self._quoted:
            found = _STRING.match(rest, place)
            after = found.end() if found else place + (2 if char == "\\" else 1)
            if after > len(rest):
                return place
            self._quoted = char != '"'
        else:
            if not self._depth and char in ",}":
                self._done(out)
                self._state = "keys" if char == "," else "after"
                return place + 1
            found = _INSIDE.match(rest, place)
            after = found.end() if found else place + 1
            self._quoted = char == '"'
            self._depth += (char in "{[") - (char in "}]")
        self._grown.append(rest[place:after])
        return after

    def _after(self, rest: str, place: int, out: list[Piece]) -> int:
        return len(rest)


def _unquoted(rest: str, place: int) -> tuple[str, int]:
    """A run of a string's characters, decoded; nothing where an escape is not complete yet."""
    found = _STRING.match(rest, place)
    if found:
        return found.group(), found.end()
    if rest[place + 1 : place + 2] == "u" and len(rest) - place < _LONGEST_ESCAPE and not _ended(rest, place):
        return "", place
    escape = _ESCAPE.match(rest, place)
    if escape is None:
        return ("", place) if len(rest) - place < 2 else (rest[place : place + 2], place + 2)
    try:
        return json.loads(f'"{escape.group()}"'), escape.end()
    except ValueError:
        return escape.group(), escape.end()


def _ended(rest: str, place: int) -> bool:
    """Whether a `\\u` escape that is no half of a pair is complete."""
    code = rest[place + 2 : place + 6]
    if len(code) < 4:
        return False
    return not (code[:1] in "dD" and code[1:2] in "89abAB") or rest[place + 6 : place + 7] not in ("", "\\")


_STEPS: Final[Mapping[str, Any]] = {
    "before": ObjectScanner._before,
    "keys": ObjectScanner._keys,
    "key": ObjectScanner._in_key,
    "colon": ObjectScanner._colon,
    "text": ObjectScanner._in_text,
    "value": ObjectScanner._in_value,
    "after": ObjectScanner._after,
}
