"""Reads a rendered prompt into the task that it states: fields, answer layout, instruction, examples and the query."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from whet.core.exchange import Request
from whet.core.messages import Message
from whet.lm.embedded.shape import TEXT, Shape, of_schema, of_type
from whet.lm.embedded.text import Memo

__all__ = ["Demo", "Field", "Layout", "Sheet", "Task", "as_text", "read_sheet", "read_task", "sections"]

Layout: TypeAlias = Literal["marker", "json", "xml", "lines", "plain"]
_MARK: Final = re.compile(r"^[ \t]*\[\[ ## (\w+) ## \]\]", re.M)
_ESCAPED: Final = re.compile(r"^([ \t]*\\*)\\(\[\[ ## \w+ ## \]\])", re.M)
_ANY_MARK: Final = re.compile(r"\[\[ ## (\w+) ## \]\]")
_COMPLETED: Final = "[[ ## completed ## ]]"
_ITEM: Final = re.compile(r"^[ \t]*(\d+)\.[ \t]+`(\w+)`[ \t]*", re.M)
_LIST_END: Final = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:\[\[ ## |<\w+>|\{))")
_TAG: Final = re.compile(r"^[ \t]*<(\w+)>[ \t]*\n?(.*?)</\1>", re.M | re.S)
_PAIR: Final = re.compile(r"^(\w+):[ \t]*", re.M)
_PAST: Final = re.compile(r"^(?:trajectory|thought_\d+|tool_(?:name|args)_\d+|observation_\d+|tool_call_results|history)$")
_OBSERVED: Final = re.compile(
    r"(?:observation(?:_\d+)?|\bvalue|\bresult)[\"'`*]*(?: ## \]\])?\s*[:=\n]\s*[\"']?([^\n]+?)[\"']?\s*(?=[,}\]]*$)", re.M
)
_MISSING: Final = re.compile(r"^\W*not supplied\b", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field as the prompt describes it; `about` is its description with constraints, `kind` the type text."""

    name: str
    shape: Shape = TEXT
    about: str = ""
    kind: str = "str"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What the system text says: the fields, how an answer is laid out, whether it ends with the completed marker, what to do."""

    inputs: tuple[Field, ...] = ()
    outputs: tuple[Field, ...] = ()
    layout: Layout = "plain"
    ends: bool = False
    instruction: str = ""


@dataclass(frozen=True, slots=True)
class Demo:
    """An example turn: inputs and outputs by name, as text."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All that a prompt asks: what the sheet says, the examples shown, the query, and results of tools called for it."""

    sheet: Sheet
    outputs: tuple[Field, ...]
    layout: Layout
    ends: bool
    demos: tuple[Demo, ...]
    inputs: Mapping[str, str]
    query: str
    reminder: str = ""
    results: tuple[str, ...] = ()
    key: tuple[str, ...] = field(default=())


def sections(text: str) -> dict[str, str]:
    """The `[[ ## name ## ]]` sections of a text; the first of a name wins.

    >>> sections("[[ ## a ## ]]" + chr(10) + "1" + chr(10) + "[[ ## b ## ]] 2")
    {'a': '1', 'b': '2'}
    """
    parts = _MARK.split(text)
    found: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        found.setdefault(name, body.strip())
    if "\\[[ ## " in text:  # text that looked like a marker stands behind a backslash
        return {name: _ESCAPED.sub(r"\1\2", body) for name, body in found.items()}
    return found


def as_text(value: Any) -> str:
    """A value as prompts and demos write it: text as it is, lists and mappings as JSON, the rest by `str`."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


# The system text


def read_sheet(system: str) -> Sheet:
    """Reads the system text: two numbered lists of fields, the structure of an answer, then what to do."""
    lists, end = _field_lists(system)
    if not lists:
        return Sheet(instruction=system.strip(), ends=_COMPLETED in system)
    inputs, listed = (lists[0], lists[1]) if len(lists) > 1 else ([], lists[0])
    layout, notes, instruction = _structure(system, end, [name for name, _, _ in listed])
    outputs = tuple(
        Field(name=name, kind=kind, about=about, shape=of_type(kind, notes.get(name, ""), about)) for name, kind, about in listed
    )
    return Sheet(
        inputs=tuple(Field(name=name, kind=kind, about=about) for name, kind, about in inputs),
        outputs=outputs,
        layout=layout,
        ends=_COMPLETED in system and layout == "marker",
        instruction=instruction.strip(),
    )


def _field_lists(system: str) -> tuple[list[list[tuple[str, str, str]]], int]:
    """The first two numbered lists of (name, type, description), and where the last of them ends."""
    found = list(_ITEM.finditer(system))
    lists: list[list[tuple[str, str, str]]] = []
    end = 0
    for position, item in enumerate(found):
        if item.group(1) == "1":
            if len(lists) == 2:
                break
            lists.append([])
        if not lists:
            continue
        after = found[position + 1].start() if position + 1 < len(found) else len(system)
        kind, start = _type_text(system, item.end())
        about = _LIST_END.split(system[start:after], maxsplit=1)[0]
        end = start + len(about)
        if position + 1 < len(found) and found[position + 1].group(1) == "1" and end == after:
            about = about.rstrip().rpartition("\n")[0] or about  # the line that introduces the next list
        lists[-1].append((item.group(2), kind, about.strip(" \n\t:")))
    return lists, end


def _type_text(text: str, start: int) -> tuple[str, int]:
    """The type in brackets at `start`, and where it ends; brackets inside quotes do not count."""
    if not text.startswith("(", start):
        return "str", start
    depth, quote, position = 0, "", start
    while position < len(text) and text[position] != "\n":
        char = text[position]
        if quote:
            position += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
            if depth == 0:
                return text[start + 1 : position], position + 1
        position += 1
    return text[start + 1 : position].rstrip(": )"), position


def _structure(system: str, end: int, names: list[str]) -> tuple[Layout, dict[str, str], str]:
    """How an answer is laid out, the note at each output, and the text after the structure."""
    rest = system[end:]
    if re.search(rf"^[ \t]*\[\[ ## {names[0]} ## \]\]", rest, re.M):
        return _marker_structure(rest, names)
    for start in (match.start() for match in re.finditer(r"^[ \t]*\{", rest, re.M)):
        try:
            shown, stop = json.JSONDecoder().raw_decode(rest, rest.index("{", start))
        except ValueError:
            continue
        if isinstance(shown, dict) and names[0] in shown:
            return "json", {name: _note(name, as_text(text)) for name, text in shown.items()}, rest[stop:]
    if re.search(rf"^[ \t]*<{names[0]}\b", rest, re.M):
        notes = {name: _note(name, body) for name, body in _TAG.findall(rest) if name in names}
        last = f"</{names[-1]}>"
        return "xml", notes, rest[rest.index(last) + len(last) :] if last in rest else ""
    if _COMPLETED in rest:
        return "json", {}, rest[rest.index(_COMPLETED) + len(_COMPLETED) :]
    return "lines", {}, rest


def _marker_structure(rest: str, names: list[str]) -> tuple[Layout, dict[str, str], str]:
    found = sections(rest)
    notes = {name: _note(name, found.get(name, "")) for name in names}
    if _COMPLETED in rest:
        return "marker", notes, rest[rest.index(_COMPLETED) + len(_COMPLETED) :]
    return "marker", notes, found.get(names[-1], "").partition("\n\n")[2]


def _note(name: str, text: str) -> str:
    return text.strip().removeprefix("{" + name + "}").strip(" \t\n#")


# The turns


def read_task(request: Request, memo: Memo) -> Task:
    """Reads a request; what only depends on the system text or on one demo is kept in `memo`."""
    system = "\n\n".join(message.text for message in request.messages if message.role in ("system", "developer"))
    sheet = memo.get(("sheet", system), lambda: read_sheet(system))
    turns = [message for message in request.messages if message.role not in ("system", "developer")]
    last = max((position for position, turn in enumerate(turns) if turn.role == "user"), default=-1)
    asked = turns[last].text if last >= 0 else ""
    outputs = _wanted(request, sheet, memo)
    names = tuple(output.name for output in outputs)
    body, reminder = _without_reminder(asked, names)
    inputs = _blocks(body, sheet)
    sheet, outputs = _settled(sheet, outputs, inputs, reminder)
    names = tuple(output.name for output in outputs)
    pairs = _pairs(turns[:last])
    demos = [memo.get(("demo", system, names, *pair), partial(_demo, *pair, sheet, names)) for pair in pairs]
    if not any(inputs.values()) and demos:
        inputs = dict(demos[-1].inputs)
    return Task(
        sheet=sheet,
        outputs=outputs,
        layout=_layout(request, sheet, [answer for _, answer in pairs], outputs, asked),
        ends=sheet.ends or _COMPLETED in reminder,
        demos=tuple(demo for demo in demos if demo.outputs),
        inputs=inputs,
        query="\n".join([text for name, text in inputs.items() if not _PAST.match(name)]),
        reminder=reminder,
        results=(*_observed(inputs), *(turn.text for turn in turns[last + 1 :] if turn.role == "tool")),
        key=(system, *(part for pair in pairs for part in pair)),
    )


def _observed(inputs: Mapping[str, str]) -> list[str]:
    """What tools answered before, where the prompt tells it among the inputs."""
    found = [text for name, text in inputs.items() if name.startswith("observation_") and text]
    past = "\n".join(text for name, text in inputs.items() if _PAST.match(name) and not name.startswith("observation_"))
    return found or [text for text in _OBSERVED.findall(past) if text]


def _pairs(turns: list[Message]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    question = ""
    for turn in turns:
        if turn.role == "user":
            question = turn.text
        elif turn.role == "assistant" and turn.text:
            pairs.append((question, turn.text))
    return pairs


def _wanted(request: Request, sheet: Sheet, memo: Memo) -> tuple[Field, ...]:
    """The outputs asked for: those of the response schema if there is one, else those of the system text."""
    schema = request.response_schema
    if not isinstance(schema, Mapping):
        return sheet.outputs
    schema = schema.get("schema", schema)
    shape: Shape = memo.get(("schema", json.dumps(schema, default=str)), lambda: of_schema(schema))
    known = {output.name: output for output in sheet.outputs}
    wanted = []
    for name, part, about in shape.parts:
        listed = known.get(name, Field(name=name, about=about))
        keeps = part.kind == "text" and listed.shape.kind == "options" and all(isinstance(option, str) for option in listed.shape.options)
        wanted.append(listed if keeps else replace(listed, shape=part))
    return tuple(wanted) or sheet.outputs


def _without_reminder(text: str, names: tuple[str, ...]) -> tuple[str, str]:
    """The last user text without the closing paragraphs that name the outputs, and those paragraphs."""
    ending = text[text.rfind("\n\n") + 1 :]
    if names and not any(name in ending for name in (*names, "completed")):
        return text, ""  # most example turns end here
    wanted = "|".join(re.escape(name) for name in names) or r"\w+"
    named = re.compile(rf"\[\[ ## (?:{wanted}|completed) ## \]\]|[`\"<](?:{wanted})[`\">]")
    cut = len(text)
    while True:
        start = text.rfind("\n\n", 0, cut)
        paragraph = text[start + 2 if start >= 0 else 0 : cut]
        opening = _MARK.match(paragraph.lstrip("\n"))
        if not named.search(paragraph) or (opening and opening.group(1) not in (*names, "completed")):
            break
        if start < 0:
            return ("", text) if opening or cut < len(text) or not names else (text, "")
        cut = start
    return text[:cut], text[cut:].strip()


def _blocks(text: str, sheet: Sheet) -> dict[str, str]:
    """The inputs of a user turn by name; the whole text under an empty name where nothing marks them."""
    found = sections(text)
    if found:
        return found
    names = {entry.name for entry in sheet.inputs}
    tagged = {name: body.strip() for name, body in _TAG.findall(text) if not names or name in names}
    if tagged:
        return tagged
    if sheet.layout == "lines":
        return _named_lines(text, names) or {"": text.strip()}
    return {"": text.strip()} if text.strip() else {}


def _named_lines(text: str, names: set[str]) -> dict[str, str]:
    """`name: value` blocks, a value reaching to the next known name."""
    starts = [match for match in _PAIR.finditer(text) if match.group(1) in names]
    ends = [*(match.start() for match in starts[1:]), len(text)][: len(starts)]
    return {match.group(1): text[match.end() : end].strip() for match, end in zip(starts, ends, strict=True)}


def _settled(sheet: Sheet, outputs: tuple[Field, ...], inputs: Mapping[str, str], reminder: str) -> tuple[Sheet, tuple[Field, ...]]:
    """Outputs for prompts without lists: the markers that the reminder names and the query does not fill."""
    if outputs:
        return sheet, outputs
    names = dict.fromkeys(name for name in _ANY_MARK.findall(reminder) if name != "completed" and not inputs.get(name))
    found = tuple(Field(name=name) for name in names)
    return (replace(sheet, layout="marker"), found) if found else (sheet, outputs)


def _demo(question: str, answer: str, sheet: Sheet, names: tuple[str, ...]) -> Demo:
    inputs = _blocks(_without_reminder(question, names)[0], sheet)
    outputs = {name: text for name, text in _answers(answer, names).items() if text and not _MISSING.match(text)}
    return Demo(inputs, outputs, "\n".join(inputs.values()))


def _answers(text: str, names: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str]
    stripped = text.strip()
    if stripped.startswith("{"):
        try:
            shown = json.loads(stripped)
        except ValueError:
            shown = None
        if isinstance(shown, dict):
            return {name: as_text(shown[name]) for name in names if shown.get(name) is not None}
    found = sections(text)
    if not found:
        found = {name: _unescaped(body.strip()) for name, body in _TAG.findall(text)} or _named_lines(text, set(names))
    if not found and len(names) == 1:
        found = {names[0]: stripped}
    return {name: found[name] for name in names if name in found}


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") if "&" in text else text


def _layout(request: Request, sheet: Sheet, answers: list[str], outputs: tuple[Field, ...], asked: str) -> Layout:
    """The layout of the answer: by the response schema, else by the latest example turn, else by the system text, else by the request."""
    if request.response_schema is not None:
        return "json"
    if answers:
        shown = answers[-1].lstrip()
        if shown.startswith("{"):
            return "json"
        if _MARK.search(shown):
            return "marker"
        if outputs and shown.startswith(f"<{outputs[0].name}"):
            return "xml"
    if outputs and sheet.layout == "plain":
        return "json" if "JSON" in asked else "marker"
    return sheet.layout
