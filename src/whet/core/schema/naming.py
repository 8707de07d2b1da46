"""How a type is called in prompts: `str`, `list[str]`, `Union[str, NoneType]`, `Literal['a', "it's", 3]`."""

from __future__ import annotations

import enum
import types
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

__all__ = ["quoted", "type_name"]

_FIXED: Final = {None: "NoneType", ...: "..."}


def quoted(text: str) -> str:
    """`text` in single quotes; in double quotes if it holds single quotes only; with escaped single quotes if it holds both.

    >>> print(quoted("a"), quoted("it's"), quoted('say "it\\'s"'))
    'a' "it's" 'say "it\\'s"'
    """
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "\\'") + "'"


def _member_name(member: Any) -> str:
    if isinstance(member, enum.Enum):
        return f"{type(member).__name__}.{member.name}"
    return quoted(member) if isinstance(member, str) else repr(member)


def type_name(annotation: Any) -> str:
    """The name of a type in prompts. A class may choose its own with `__whet_type_name__`.

    >>> from typing import Optional
    >>> type_name(dict[str, list[int]]), type_name(Optional[str]), type_name(tuple[int, ...])
    ('dict[str, list[int]]', 'Union[str, NoneType]', 'tuple[int, ...]')
    """
    chosen = _FIXED.get(annotation) if annotation is None or annotation is ... else getattr(annotation, "__whet_type_name__", None)
    if isinstance(chosen, str):
        return chosen
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is None:
        return getattr(annotation, "__name__", None) or str(annotation).removeprefix("typing.")
    if origin is Literal:
        return f"Literal[{', '.join(map(_member_name, args))}]"
    return type_name(args[0]) if origin is Annotated else _generic_name(origin, args)


def _generic_name(origin: Any, args: tuple[Any, ...]) -> str:
    name = "Union" if origin is Union or origin is types.UnionType else getattr(origin, "__name__", str(origin))
    inner = ", ".join(f"[{', '.join(map(type_name, arg))}]" if isinstance(arg, list) else type_name(arg) for arg in args)
    return f"{name}[{inner}]" if inner else name
