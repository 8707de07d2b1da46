"""A hash of everything that decides what a program, a metric or a model does: code, what the code refers to, and data."""

from __future__ import annotations

import datetime
import decimal
import dis
import enum
import fractions
import inspect
import logging
import pathlib
import re
import sys
import types
import typing
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache, partial
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from random import Random
from typing import Any, Final

from whet.adapters.base import Adapter
from whet.core.field import Field
from whet.core.param import Param
from whet.core.records import Example
from whet.core.signature import Signature
from whet.core.types.blob import Blob
from whet.core.wording import a_word
from whet.lm.base import BaseLM
from whet.modules.module import Module
from whet.modules.predict import Predict
from whet.modules.tree import ABOUT

__all__ = ["Unstable", "fingerprint"]

# More values than that are no program; a walk that long has lost its way in some library's objects.
_MOST: Final = 1_000_000
_PLAIN: Final = (
    bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented), range, re.Pattern, decimal.Decimal,
    fractions.Fraction, uuid.UUID, pathlib.PurePath, datetime.date, datetime.time, datetime.timedelta, datetime.timezone,
)  # fmt: skip
# What an object does not depend on: its log, who listens, what it keeps at hand, and how it is reached or paid.
_LM: Final = frozenset(
    "history callbacks requests cache num_retries price provider finetuning_model launch_kwargs train_kwargs access server "
    "_engines _source _variants _server _warned _capabilities _lock kwargs".split()
)  # fmt: skip
_ACCESS: Final = frozenset({"api_key", "headers", "extra_headers"})
_MODULE: Final = frozenset({"callbacks", "history", "_compiled", "traces", "train"})
_LEARNT: Final = frozenset({"signature", "demos", "lm", "tool_descs"})
_ADAPTER: Final = frozenset({"callbacks", "_plans"})
_OF_CLASS: Final = frozenset(
    "__module__ __doc__ __dict__ __weakref__ __annotations__ __annotate__ __annotate_func__ __annotations_cache__ __firstlineno__ "
    "__static_attributes__ __abstractmethods__ _abc_impl __orig_bases__ __parameters__ __slots__ __hash__ __match_args__".split()
)  # fmt: skip


class Unstable(Exception):
    """There is something whose content cannot be told; the text says where and what."""


def fingerprint(value: Any, name: str = "", *, learnt: Iterable[Predict] = ()) -> bytes:
    """16 bytes, equal in every process for values that do the same: functions count by their code, defaults, closures and the globals that
    they use, classes by their parts, objects by their class and attributes, models by `identity()` and request parameters (never by
    a key or an address in clear). Code of installed packages counts by name and version. `learnt` are predictors whose instructions, field
    descriptions, demos and model are left out, because they are counted elsewhere.

    An object may say itself what it depends on, with a method `memory_key()` that returns it. Raises `Unstable` for what has no content
    that lasts, such as an open file or a random number generator; `name` is what the message calls the value.

    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 1), fingerprint([1]) == fingerprint([1.0])
    (True, False)
    """
    walk = _Walk(name, learnt)
    walk.add(value)
    return walk.digest()


class _Walk:
    """Feeds a hash with a value and all that it refers to; each object is walked once, and an object that leads to itself ends there."""

    def __init__(self, name: str, learnt: Iterable[Predict]) -> None:
        self._hash = blake2b(digest_size=16)
        self._path = [name]
        self._learnt = {id(predictor) for predictor in learnt}
        self._depth: dict[int, int] = {}
        self._done: dict[int, tuple[bytes, Any]] = {}
        self._count = 0

    def digest(self) -> bytes:
        return self._hash.digest()

    def tag(self, *words: Any) -> None:
        """Note what comes next; texts have their length in front, so that no two sequences are written alike."""
        for word in words:
            data = str(word).encode("utf-8", "surrogatepass")
            self._hash.update(b"%d:" % len(data) + data)

    def add(self, value: Any, step: str = "") -> None:
        self._count += 1
        if self._count > _MOST:
            raise Unstable(f"{self._where()} leads to more than {_MOST} values")
        if isinstance(value, _PLAIN):
            self.tag("plain", type(value).__qualname__, repr(value))
        elif (depth := self._depth.get(id(value))) is not None:
            self.tag("within", len(self._depth) - depth)
        elif (done := self._done.get(id(value))) is not None:
            self.tag(done[0].hex())
        else:
            self._inside(value, step)

    def _inside(self, value: Any, step: str) -> None:
        outer, self._hash = self._hash, blake2b(digest_size=16)
        self._depth[id(value)] = len(self._depth)
        self._path.append(step)
        try:
            self._add(value)
        except RecursionError:
            raise Unstable(f"{self._where()} is nested too deeply") from None
        self._path.pop()
        del self._depth[id(value)]
        found, self._hash = self._hash.digest(), outer
        self._done[id(value)] = found, value
        self.tag(found.hex())

    def _where(self) -> str:
        return f"`{''.join(self._path).lstrip('.')}`"

    def _add(self, value: Any) -> None:
        if isinstance(value, type) or typing.get_origin(value) is not None or isinstance(value, typing.TypeVar | types.UnionType):
            self._type(value)
        elif (own := getattr(type(value), "memory_key", None)) is not None:
            self.tag("own", *_place(type(value)))
            self.add(own(value), ".memory_key()")
        else:
            next(add for kind, add in _KINDS if kind is None or isinstance(value, kind))(self, value)

    def items(self, items: Iterable[tuple[Any, Any]]) -> None:
        for name, value in items:
            self.tag("item")
            self.add(name)
            self.add(value, f".{name}" if isinstance(name, str) and name.isidentifier() else f"[{name!r}]")

    # -- data --------------------------------------------------------------------------------------------------------------------------

    def mapping(self, value: Mapping[Any, Any]) -> None:
        self.tag("mapping", len(value))
        self.items(value.items())

    def sequence(self, value: Iterable[Any]) -> None:
        self.tag("sequence", type(value).__name__)
        for number, item in enumerate(value):
            self.add(item, f"[{number}]")
        self.tag("end")

    def unordered(self, value: Iterable[Any]) -> None:
        self.tag("set", *sorted(fingerprint(item, self._where().strip("`")).hex() for item in value))

    def example(self, value: Example) -> None:
        keys = getattr(value, "_input_keys", None)
        self.tag("example", *sorted(keys or ()))
        self.items(dict(value).items())

    def member(self, value: enum.Enum) -> None:
        self.tag("member", *_place(type(value)), value.name)
        self.add(value.value)

    # -- whet's own values -------------------------------------------------------------------------------------------------------------

    def signature(self, value: Signature, learnt: bool = True) -> None:
        self.tag("signature", *((value.instructions,) if learnt else ()))
        for field in value.fields.values():
            self.field(field, learnt)

    def field(self, value: Field, learnt: bool = True) -> None:
        self.tag("field", value.name, value.kind, value.trusted, value.train_only, *((value.desc,) if learnt else ()))
        self.add(value.annotation, f".{value.name}")
        self.add(value.default_factory if value.default_factory is not None else repr(value.default))
        self.items(sorted(value.constraints.items()))
        self.items(sorted((k, v) for k, v in value.extra.items() if learnt or k not in ("desc", "description")))

    def blob(self, value: Blob) -> None:
        self.tag("blob", value.digest)

    def param(self, value: Param) -> None:
        # Which one is chosen is counted where the learnt parts are.
        self.tag("param", value.choices is None)
        self.items((value.choices or {}).items())

    def lm(self, value: BaseLM) -> None:
        self.tag("lm", value.identity(), value.model_type)
        self.add(type(value))
        self.items((k, v) for k, v in sorted(value.kwargs.items()) if v is not None and k not in _ACCESS)
        self.items((k, v) for k, v in sorted(vars(value).items()) if k not in _LM)

    def module(self, value: Module) -> None:
        left_out = _MODULE | {k for k in ABOUT if not isinstance(vars(value).get(k), Module)}
        if isinstance(value, Predict):
            learnt = id(value) not in self._learnt
            self.signature(value.signature, learnt)
            left_out |= frozenset({"signature"}) if learnt else _LEARNT
        self._attributes(value, left_out)

    def adapter(self, value: Adapter) -> None:
        self._attributes(value, _ADAPTER)

    # -- code --------------------------------------------------------------------------------------------------------------------------

    def _type(self, value: Any) -> None:
        if typing.get_origin(value) is not None:
            self.tag("alias", typing.get_origin(value))
            self.sequence(typing.get_args(value))
        elif not isinstance(value, type) or _is_library(value.__module__):
            self.tag("type", *_place(value), *_version_of(value))
        else:
            self.tag("class", *_place(value))
            if callable(schema := getattr(value, "model_json_schema", None)):
                self.add(schema())
                self.tag(_source_of(value))
            else:
                self.items((k, v) for k, v in vars(value).items() if k not in _OF_CLASS and not isinstance(v, _SLOTS))
            self.sequence(value.__bases__)

    def function(self, value: types.FunctionType) -> None:
        library = _is_library(value.__module__)
        self.tag("function", *(_place(value) if library else ()), *_version_of(value))
        if not library:
            self._code(value.__code__)
            self.add(value.__defaults__, ".__defaults__")
            self.add(value.__kwdefaults__, ".__kwdefaults__")
            self.items((name, _global_of(value, name)) for name in _globals_in(value.__code__))
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=False):
            self.tag(name)
            if cell != _EMPTY:
                self.add(cell.cell_contents, f".{name}")

    def _code(self, code: types.CodeType) -> None:
        self.tag("code", code.co_code.hex(), *code.co_names, *code.co_varnames, *code.co_freevars, code.co_flags)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant)
            else:
                self.add(constant)

    def method(self, value: Any) -> None:
        self.add(value.__func__)
        self.add(value.__self__, ".__self__")

    def wrapped(self, value: Any) -> None:
        self.tag("wrapped", type(value).__qualname__)
        for part in ("__func__", "__wrapped__", "func", "fget", "fset", "fdel", "args", "keywords"):
            if (found := getattr(value, part, None)) is not None:
                self.add(found)

    def builtin(self, value: Any) -> None:
        self.tag("builtin", *_place(value))
        if not isinstance(owner := getattr(value, "__self__", None), types.ModuleType | type | None):
            self.add(owner, ".__self__")

    def a_module(self, value: types.ModuleType) -> None:
        self.tag("module", value.__name__, *_version_of(value))
        if not _is_library(value.__name__) and (file := getattr(value, "__file__", None)):
            self.tag(blake2b(pathlib.Path(file).read_bytes()).hexdigest())

    # -- everything else ---------------------------------------------------------------------------------------------------------------

    def anything(self, value: Any) -> None:
        kind = type(value)
        if isinstance(value, logging.Logger):
            self.tag("logger")
        elif kind.__module__ in ("_thread", "threading"):
            self.tag("lock")
        elif hasattr(value, "tobytes") and hasattr(value, "dtype") and hasattr(value, "shape"):
            self.tag("array", value.dtype, value.shape, blake2b(value.tobytes()).hexdigest())
        elif isinstance(value, Random | types.CoroutineType) or hasattr(value, "__next__") or hasattr(value, "fileno"):
            raise Unstable(f"{self._where()} is {a_word(kind.__qualname__)}, which changes by being used")
        elif kind is not object and not hasattr(value, "__dict__") and not any("__slots__" in vars(c) for c in kind.__mro__):
            raise Unstable(f"{self._where()} is {a_word(kind.__qualname__)}, whose content cannot be told")
        else:
            self._attributes(value, frozenset())

    def _attributes(self, value: Any, left_out: frozenset[str]) -> None:
        kind = type(value)
        slots = {s: getattr(value, s) for c in kind.__mro__ for s in _slots_of(c) if hasattr(value, s)}
        found = {**slots, **getattr(value, "__dict__", {})}
        own = kind.__module__.partition(".")[0] == "whet"
        self.tag("object")
        self.add(kind)
        for name, part in found.items():
            # What our own objects keep under such names, and what they remember of a property, they can make again.
            made = isinstance(getattr(kind, name, None), cached_property) or (own and name.startswith("_") and name not in slots)
            if name not in left_out and not made:
                self.items([(name, part)])


def _place(value: Any) -> tuple[str, str]:
    return str(getattr(value, "__module__", "")), str(getattr(value, "__qualname__", None) or repr(value))


def _slots_of(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(n for n in names if n not in ("__dict__", "__weakref__") and not n.startswith("__"))


def _source_of(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return ""


@lru_cache(maxsize=4096)
def _is_library(module: str | None) -> bool:
    """Whether code comes with Python or an installed package, and so is known by its name and version."""
    top = (module or "").partition(".")[0]
    if top in sys.stdlib_module_names or top in ("builtins", "whet"):
        return top != "__main__"
    file = getattr(sys.modules.get(top), "__file__", None) or getattr(sys.modules.get(module or ""), "__file__", None) or ""
    return any(part in ("site-packages", "dist-packages") for part in pathlib.PurePath(file).parts)


def _version_of(value: Any) -> tuple[str, ...]:
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    top = (name or "").partition(".")[0]
    return (_version(top),) if top and _is_library(name) and top not in sys.stdlib_module_names else ()


@lru_cache(maxsize=256)
def _version(package: str) -> str:
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        return str(getattr(sys.modules.get(package), "__version__", ""))


def _globals_in(code: types.CodeType) -> list[str]:
    """The names of globals that a function, and those defined in it, look up."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.update(_globals_in(constant))
    return sorted(found)


def _global_of(function: types.FunctionType, name: str) -> Any:
    """What a name stands for where a function is; a builtin, or nothing yet, is its name."""
    return function.__globals__.get(name, f"builtin {name}")


_EMPTY: Final = types.CellType()
_SLOTS: Final = (types.MemberDescriptorType, types.GetSetDescriptorType)
_Add = Callable[[_Walk, Any], None]
# The first that fits decides.
_KINDS: Final[tuple[tuple[Any, _Add], ...]] = (
    (enum.Enum, _Walk.member),
    (Signature, _Walk.signature),
    (Field, _Walk.field),
    (Param, _Walk.param),
    (Blob, _Walk.blob),
    (BaseLM, _Walk.lm),
    (Module, _Walk.module),
    (Adapter, _Walk.adapter),
    (Example, _Walk.example),
    (types.FunctionType, _Walk.function),
    (types.MethodType, _Walk.method),
    ((staticmethod, classmethod, property, partial, type(lru_cache(len))), _Walk.wrapped),
    ((types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType, types.MethodDescriptorType), _Walk.builtin),
    (types.ModuleType, _Walk.a_module),
    (Mapping, _Walk.mapping),
    ((list, tuple, deque), _Walk.sequence),
    ((set, frozenset), _Walk.unordered),
    (None, _Walk.anything),
)
