"""Typed values as nested elements, and elements as values again, guided by the type. No XML parser: a string is kept byte for byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from whet.core.schema import Schema, one_line
from whet.core.schema.constraint import Bounded
from whet.core.schema.container import DictOf, ListOf, SetOf, TupleOf
from whet.core.schema.record import Field, Record
from whet.core.schema.union import UnionOf
from whet.errors import SchemaError

__all__ = ["Misshapen", "element", "escape", "is_nested", "legend", "read_element", "shape_of", "skeleton", "split_children", "unescape"]

_TAG: Final = re.compile(r"<(/?)([^\W\d][\w.-]*)((?:\s[^<>]*)?)>")
_KEY: Final = re.compile(r"""\skey\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_NAME: Final = re.compile(r"[^\W\d][\w.-]*")
_ENTITY: Final = re.compile(r"&(amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_DEEPEST: Final = 32


class Misshapen(Exception):
    """The elements of an answer are not closed, or nested too deeply."""


@dataclass(frozen=True, slots=True)
class Child:
    """An element inside another: its name (or key), and what stands in it; `empty` for `<name />`, `closed` where it has its end."""

    name: str
    inner: str
    empty: bool = False
    closed: bool = True


def escape(text: str) -> str:
    """Text in which nothing looks like a tag, and blanks at the ends are kept.

    >>> escape(" a < b & c"), unescape(escape(" a < b & c").strip())
    ('&#32;a &lt; b &amp; c', ' a < b & c')
    """
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    core = text.strip()
    if len(core) == len(text):
        return text
    start = len(text) - len(text.lstrip())
    head, tail = (text, "") if not core else (text[:start], text[start + len(core) :])
    return _codes(head) + core + _codes(tail)


def _codes(blanks: str) -> str:
    return "".join(f"&#{ord(char)};" for char in blanks)


def unescape(text: str) -> str:
    """Text as it was before `escape`; signs that are no entities stay."""
    return _ENTITY.sub(_entity, text) if "&" in text else text


def _entity(found: re.Match[str]) -> str:
    name = found.group(1)
    if name in _ENTITIES:
        return _ENTITIES[name]
    code = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    return chr(code) if code < 0x110000 else found.group(0)


def is_nested(schema: Schema) -> bool:
    """Whether values of a type are written as elements: lists, mappings, records, and those that may be None."""
    return isinstance(shape_of(schema), (ListOf, TupleOf, DictOf, Record))


def shape_of(schema: Schema) -> Schema:
    """The schema without bounds, and without None, around it."""
    while True:
        if isinstance(schema, Bounded):
            schema = schema.inner
        elif isinstance(schema, UnionOf) and schema._only is not None:
            schema = schema._only
        else:
            return schema


# -- writing -----------------------------------------------------------------------------------------------------------


def element(name: str, schema: Schema, value: Any) -> str:
    """A value as an element: `<name>...</name>`, `<name />` for None."""
    opening = name if _NAME.fullmatch(name) else f'entry key="{escape(name).replace(chr(34), "&quot;")}"'
    closing = name if opening is name else "entry"
    if value is None and schema.nullable:
        return f"<{opening} />"
    return f"<{opening}>{content(schema, value)}</{closing}>"


def content(schema: Schema, value: Any) -> str:
    """What stands inside the element of a value."""
    shape = shape_of(schema)
    parts = _parts(shape, value)
    if parts is None:
        return escape(schema.render(value))
    if not parts:
        # Nothing at all would be read as None where that is possible.
        return ("{}" if isinstance(shape, (DictOf, Record)) else "[]") if schema.nullable else ""
    return "".join(element(name, part, inner) for name, part, inner in parts)


def _parts(shape: Schema, value: Any) -> list[tuple[str, Schema, Any]] | None:
    if isinstance(shape, TupleOf) and isinstance(value, (list, tuple)) and len(value) == len(shape.children):
        return [("item", part, item) for part, item in zip(shape.children, value, strict=True)]
    if isinstance(shape, ListOf) and isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=lambda item: one_line(shape.item.dump(item))) if isinstance(shape, SetOf) else value
        return [("item", shape.item, item) for item in items]
    if isinstance(shape, DictOf) and isinstance(value, dict):
        return [(shape.key.render(key), shape.value, part) for key, part in value.items()]
    if isinstance(shape, Record):
        taken = shape.form.take(value) if shape.form.test(value) else value
        if isinstance(taken, dict) and all(name in shape.fields for name in taken) and not getattr(shape, "_own_writer", False):
            return [(name, shape.fields[name].schema, part) for name, part in taken.items()]
    return None


def skeleton(name: str, schema: Schema, seen: tuple[Schema, ...] = ()) -> str:
    """The elements of a type without values, for the prompt: `<order><id>...</id></order>`; a type inside itself is `...`."""
    return f"<{name}>{_inside(shape_of(schema), seen)}</{name}>"


def _inside(shape: Schema, seen: tuple[Schema, ...]) -> str:
    if shape in seen or len(seen) > _DEEPEST:
        return "..."
    seen = (*seen, shape)
    if isinstance(shape, TupleOf):
        return "".join(skeleton("item", part, seen) for part in shape.children)
    if isinstance(shape, ListOf):
        return skeleton("item", shape.item, seen)
    if isinstance(shape, DictOf):
        return f'<entry key="...">{_inside(shape_of(shape.value), seen)}</entry>'
    if isinstance(shape, Record):
        return "".join(skeleton(field.name, field.schema, seen) for field in shape.fields.values())
    return "..."


def legend(schema: Schema) -> str:
    """What stands in the elements of a type, for the prompt: its name, then for each record in it the types of its fields.

    >>> from typing import NamedTuple
    >>> from whet.core.schema import schema_of
    >>> legend(schema_of(list[NamedTuple("Pair", [("left", str), ("right", int)])]))
    'list[Pair]; Pair: left str, right int'
    """
    records = dict.fromkeys(part for part in schema.family() if isinstance(part, Record))
    shown = [f"{one.name}: {', '.join(map(_field_legend, one.fields.values()))}" for one in records if one.fields]
    return "; ".join([schema.name, *shown])


def _field_legend(field: Field) -> str:
    return f"{field.name} {field.schema.name}{f' ({field.about})' if field.about else ''}"


# -- reading -----------------------------------------------------------------------------------------------------------


def children(text: str) -> list[Child]:
    """The elements that stand directly in a text. Raises `Misshapen` for one that is not closed."""
    found, last = split_children(text)
    if last is not None:
        raise Misshapen(f"the element <{last.name}> is not closed")
    return found


def split_children(text: str) -> tuple[list[Child], Child | None]:
    """The elements that stand directly in a text, and the last one where it is not closed.

    >>> [one.inner for one in split_children("<item>a</item><item>b")[0]], split_children("<item>a</item><item>b")[1].inner
    (['a'], 'b')
    """
    found: list[Child] = []
    name, start, depth, key = "", 0, 0, None
    for tag in _TAG.finditer(text):
        closing, tag_name, rest = tag.groups()
        empty = rest.endswith("/")
        if not depth:
            if closing:
                continue
            named = _KEY.search(rest) if rest else None
            key = unescape(named.group(1) or named.group(2) or "") if named and tag_name == "entry" else tag_name
            if empty:
                found.append(Child(key, "", True))
            else:
                name, start, depth = tag_name, tag.end(), 1
        elif tag_name == name and not empty:
            depth += -1 if closing else 1
            if not depth:
                found.append(Child(str(key), text[start : tag.start()]))
    return found, Child(str(key), text[start:], closed=False) if depth else None


def read_element(schema: Schema, child: Child, repairs: list[str], depth: int = 0) -> Any:
    """The value in an element, as far as the type tells; `schema.coerce` makes it typed. Raises `SchemaError` and `Misshapen`."""
    if depth > _DEEPEST:
        raise Misshapen("the elements are nested too deeply")
    shape = shape_of(schema)
    if schema.is_text or not isinstance(shape, (ListOf, TupleOf, DictOf, Record)):
        return _leaf(schema, shape, child, repairs, depth)
    if child.empty and schema.nullable:
        return None
    inner = children(child.inner) if "<" in child.inner else []
    if not inner:
        return _without_children(schema, shape, child, repairs)
    return _READERS[_kind(shape)](shape, inner, lambda part, one: read_element(part, one, repairs, depth + 1))


def _leaf(schema: Schema, shape: Schema, child: Child, repairs: list[str], depth: int) -> Any:
    if child.empty and schema.nullable:
        return None
    text = unescape(child.inner.strip())
    if schema.is_text:
        return text
    if isinstance(shape, UnionOf) and "<" in child.inner and not shape.text:
        return _alternative(shape, child, repairs, depth)
    return schema.parse(text, repairs)


def _alternative(shape: UnionOf, child: Child, repairs: list[str], depth: int) -> Any:
    for member in shape.others:
        if is_nested(member):
            try:
                return member.coerce(read_element(member, child, [], depth + 1))
            except (SchemaError, Misshapen):
                continue
    return shape.parse(unescape(child.inner.strip()), repairs)


def _without_children(schema: Schema, shape: Schema, child: Child, repairs: list[str]) -> Any:
    text = unescape(child.inner.strip())
    if not text:
        return None if schema.nullable else {} if isinstance(shape, (DictOf, Record)) else []
    return schema.parse(text, repairs)


def _kind(shape: Schema) -> type[Schema]:
    return next(kind for kind in _READERS if isinstance(shape, kind))


def _read_tuple(shape: Any, inner: list[Child], read: Callable[[Schema, Child], Any]) -> Any:
    if len(inner) != len(shape.children):
        return [unescape(one.inner) for one in inner]
    return [read(part, one) for part, one in zip(shape.children, inner, strict=True)]


def _read_list(shape: Any, inner: list[Child], read: Callable[[Schema, Child], Any]) -> Any:
    return [read(shape.item, one) for one in inner]


def _read_dict(shape: Any, inner: list[Child], read: Callable[[Schema, Child], Any]) -> Any:
    return {one.name: read(shape.value, one) for one in inner}


def _read_record(shape: Any, inner: list[Child], read: Callable[[Schema, Child], Any]) -> Any:
    found: dict[str, Any] = {}
    for name, group in _grouped(inner):
        field = shape._known.get(name)
        if field is None:
            found[name] = unescape(group[0].inner.strip())
        elif len(group) > 1 and isinstance(listing := shape_of(field.schema), ListOf):
            found[name] = [read(listing.item, one) for one in group]
        else:
            found[name] = read(field.schema, group[0])
    return found


def _grouped(inner: list[Child]) -> Iterator[tuple[str, list[Child]]]:
    groups: dict[str, list[Child]] = {}
    for one in inner:
        groups.setdefault(one.name, []).append(one)
    yield from groups.items()


_READERS: Final[dict[type[Schema], Callable[..., Any]]] = {
    TupleOf: _read_tuple,
    ListOf: _read_list,
    DictOf: _read_dict,
    Record: _read_record,
}
