"""Settings: one process-wide default below, one override per context above.

>>> with context(num_threads=2):
...     current().num_threads
2
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, NoReturn

from whet.core.trace import History
from whet.errors import ConfigurationError

__all__ = [
    "Meter",
    "Settings",
    "SettingsView",
    "active_modules",
    "attempt",
    "configure",
    "context",
    "current",
    "fill_default",
    "meter",
    "settings",
]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything ambient. A value: changing it means making another one.

    `extra` holds settings of the user's own, under names that whet does not know.
    """

    lm: Any = None
    adapter: Any = None
    rm: Any = None
    trace: Any = None
    callbacks: tuple[Any, ...] = ()
    num_threads: int = 8
    async_max_workers: int = 8
    max_errors: int = 10
    provide_traceback: bool = False
    disable_history: bool = False
    max_history_size: int = 10_000
    max_trace_size: int = 10_000
    history: History = field(default_factory=History)
    track_usage: bool = False
    usage_tracker: Any = None
    warn_on_type_mismatch: bool = True
    allow_tool_async_sync_conversion: bool = False
    approve_tools: Any = None
    send_stream: Any = None
    stream_listeners: tuple[Any, ...] = ()
    listener: Any = None
    training: bool = False
    rendering: Any = None
    cache: Any = None
    cache_mode: str | None = None
    budget: Any = None
    call_store: Any = None
    memory: Any = None
    cassette: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)


_KNOWN = frozenset(f.name for f in fields(Settings)) - {"extra"}
_TUPLES = frozenset({"callbacks", "stream_listeners"})
_override: ContextVar[Settings | None] = ContextVar("whet_settings", default=None)

# The modules whose calls are under way here, outermost first.
active_modules: ContextVar[tuple[Any, ...]] = ContextVar("whet_active_modules", default=())
# The run of a user's `forward` that is under way here, which can be taken again from one of its steps (`core/replay.py`).
attempt: ContextVar[Any] = ContextVar("whet_attempt", default=None)


class Meter(list[tuple[int, float | None, bool]]):
    """Counts what is spent on the model calls made while it is in force: tokens, cost and whether it was a cache hit, for each call.

    Appending is all that threads do to it.
    """

    __slots__ = ()

    def add(self, tokens: int, cost: float | None, cache_hit: bool) -> None:
        """Note one call."""
        self.append((tokens, cost, cache_hit))

    @property
    def calls(self) -> int:
        """Calls that were not answered from the cache."""
        return sum(not hit for _, _, hit in self)

    @property
    def cache_hits(self) -> int:
        """Calls answered from the cache."""
        return sum(hit for _, _, hit in self)

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return sum(tokens for tokens, _, _ in self)

    @property
    def cost(self) -> float | None:
        """US dollars; `None` when the price of any call is unknown."""
        costs = [cost for _, cost, hit in self if not hit]
        return None if any(cost is None for cost in costs) else float(sum(cost for cost in costs if cost is not None))

    def totals(self) -> tuple[int, float | None, int, int]:
        """Tokens, cost, calls and cache hits; most rows make one call, which needs no sums."""
        if len(self) == 1:
            tokens, cost, hit = self[0]
            return (tokens, 0.0, 0, 1) if hit else (tokens, cost, 1, 0)
        return self.tokens, self.cost, self.calls, self.cache_hits


# Counts the calls made for one row of an evaluation, in whatever thread or task they are made.
meter: ContextVar[Meter | None] = ContextVar("whet_meter", default=None)


class _Default:
    """The process default; replaced as a whole, so that a reader never sees half a change."""

    settings = Settings()
    lock = threading.Lock()


def current() -> Settings:
    """The settings in force here."""
    return _override.get() or _Default.settings


def _changed(base: Settings, changes: Mapping[str, Any]) -> Settings:
    # Every `context(...)` passes here: a copy of the attributes is twenty times as fast as `dataclasses.replace`.
    new: Settings = object.__new__(Settings)
    values = new.__dict__
    values.update(base.__dict__)
    for name, value in changes.items():
        if name not in _KNOWN:
            values["extra"] = {**values["extra"], _own_name(name): value}
        elif name == "cache" and isinstance(value, (bool, str)):
            values["cache_mode"] = None if value is True else value or "off"
        else:
            values[name] = tuple(value or ()) if name in _TUPLES else value
    return new


@lru_cache(maxsize=256)
def _own_name(name: str) -> str:
    if near := difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.8):
        raise ConfigurationError(f"There is no setting `{name}`. Did you mean `{near[0]}`?")
    return name


def fill_default(name: str, make: Callable[[], Any]) -> Any:
    """The default of a setting that is made when it is first needed, such as the cache; made once."""
    with _Default.lock:
        value = getattr(_Default.settings, name)
        if value is None:
            value = make()
            _Default.settings = _changed(_Default.settings, {name: value})
        return value


def configure(**changes: Any) -> None:
    """Change the process-wide default settings, from any thread or task.

    Raises `ConfigurationError` for a name that looks like a misspelt setting, and inside a `context` block, where the change would not be
    seen. Other unknown names are kept as settings of your own. `cache=False` says of all models that they keep no answers, as
    `cache_mode="off"` does.

    >>> configure(num_threads=8)
    """
    if (now := _override.get()) is not None and vars(_changed(now, changes)) != vars(now):
        raise ConfigurationError(
            "`configure` was called inside a `context` block, where its change would stay hidden. "
            "Pass the settings to `context(...)` itself, or call `configure` outside of it."
        )
    _Default.settings = _changed(_Default.settings, changes)


@contextmanager
def context(**changes: Any) -> Iterator[None]:
    """Override settings for a `with` block, in this thread or task and in the work started from it.

    >>> with context(max_errors=1):
    ...     current().max_errors
    1
    """
    token = _override.set(_changed(current(), changes))
    try:
        yield
    finally:
        _override.reset(token)


class SettingsDict(dict[str, Any]):
    """Settings by name; `settings.copy().lm` reads as `settings.copy()["lm"]` does."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class SettingsList(list[Any]):
    """A setting of several things. Adding to it or taking from it is `configure`: what it was read from does not change in place."""

    def __init__(self, name: str, values: Iterable[Any]) -> None:
        super().__init__(values)
        self._name = name

    def append(self, value: Any) -> None:
        """Configure the setting with one more."""
        configure(**{self._name: [*self, value]})
        super().append(value)

    def remove(self, value: Any) -> None:
        """Configure the setting without the first equal one. Raises `ValueError` where there is none."""
        place = self.index(value)
        configure(**{self._name: [*self[:place], *self[place + 1 :]]})
        del self[place]


class _NoSetting(AttributeError, KeyError):
    """`settings["..."]` of something that is none: both errors, as people expect either."""

    __str__ = Exception.__str__


class SettingsView:
    """`whet.settings`: reads the settings in force; assigning to an attribute is `configure`.

    >>> with context(num_threads=2):
    ...     settings.num_threads, settings.get("no_such_setting", "nothing")
    (2, 'nothing')
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        settings_now = current()
        if name in _TUPLES:
            return SettingsList(name, getattr(settings_now, name))
        if name in _KNOWN:
            return getattr(settings_now, name)
        if name in settings_now.extra:
            return settings_now.extra[name]
        raise AttributeError(f"There is no setting `{name}`. Known settings: {', '.join(sorted(_KNOWN))}")

    def __setattr__(self, name: str, value: Any) -> None:
        configure(**{name: value})

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """What `vars` shows, and where `unittest.mock.patch.object` looks for what it shall put back."""
        return dict(self.copy())

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError as error:
            raise _NoSetting(str(error)) from None

    def __setitem__(self, name: str, value: Any) -> None:
        configure(**{name: value})

    def __contains__(self, name: object) -> bool:
        return name in _KNOWN or name in current().extra

    def get(self, name: str, default: Any = None) -> Any:
        """The setting, or `default` where there is none of that name."""
        return self[name] if name in self else default  # noqa: SIM401 - this is the `get`

    def copy(self) -> SettingsDict:
        """All settings in force, as a dict whose items can be read as attributes."""
        now = current()
        return SettingsDict({**{name: getattr(self, name) for name in sorted(_KNOWN)}, **now.extra})

    def save(self, path: Any, **options: Any) -> NoReturn:
        """Refused: settings hold models, callbacks and keys, which only a pickle could keep. Raises `ConfigurationError`."""
        raise ConfigurationError(
            f"Settings are not saved (to {str(path)!r} neither): they hold models, callbacks and keys, which only a pickle could keep. "
            "Write them down where the program starts: `whet.configure(...)`."
        )

    @property
    def config(self) -> SettingsDict:
        """The same as `copy()`."""
        return self.copy()

    def configure(self, **changes: Any) -> None:
        """The same as `whet.configure`."""
        configure(**changes)

    def context(self, **changes: Any) -> Any:
        """The same as `whet.context`."""
        return context(**changes)

    def __repr__(self) -> str:
        return f"settings({', '.join(f'{k}={v!r}' for k, v in self.copy().items())})"


settings = SettingsView()
