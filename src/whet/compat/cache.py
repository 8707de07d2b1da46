"""`whet.cache`: the cache in force as the object that DSPy programs use, and `request_cache`. Values are JSON, never pickles."""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final, NoReturn

from whet.core.context import configure, current
from whet.core.exchange import Request
from whet.core.trace import message_dicts
from whet.errors import ConfigurationError
from whet.lm.store import DISK_BYTES, MEMORY_BYTES, CacheStore, default_directory
from whet.lm.wrapping import store_in_force

__all__ = ["Cache", "cache", "chosen_cache", "DISK_CACHE_DIR", "DISK_CACHE_LIMIT", "put_in_force", "request_cache"]

# Where answers are kept when nobody says otherwise, and how many bytes of them.
DISK_CACHE_DIR: Final = str(default_directory())
DISK_CACHE_LIMIT: Final = DISK_BYTES
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Cache:
    """Values under requests: `get(request)`, `put(request, value)`, `request in cache`.

    A request is a dict; its key is a hash of its JSON with sorted keys. Values that have no JSON form, and requests that have none, are
    neither kept nor found. `Cache()` is the cache in force (`whet.configure_cache` changes it); with arguments it has a store of its own,
    which `whet.cache = Cache(...)` puts in force. A subclass with its own `cache_key` then says which calls of models are the same.

    >>> own = Cache(enable_disk_cache=False)
    >>> own.put({"model": "m", "prompt": "Hello"}, "Hi")
    >>> own.get({"prompt": "Hello", "model": "m"}), {"prompt": "Bye"} in own
    ('Hi', False)
    """

    def __init__(  # noqa: PLR0913 - the arguments that people know
        self,
        enable_disk_cache: bool | None = None,
        enable_memory_cache: bool = True,
        disk_cache_dir: Any = None,
        disk_size_limit_bytes: int | None = None,
        memory_max_entries: float = 1_000_000,
        restrict_pickle: bool = False,
        safe_types: Any = None,
    ) -> None:
        if memory_max_entries is None or memory_max_entries <= 0:
            raise ConfigurationError(f"`memory_max_entries` must be a number above 0 (or `math.inf`), not {memory_max_entries!r}.")
        self._own: CacheStore | None = None
        if enable_disk_cache is not None:
            self._own = CacheStore(
                (disk_cache_dir or "") if enable_disk_cache else None,
                memory_entries=memory_max_entries if enable_memory_cache else 0,
                memory_bytes=MEMORY_BYTES if enable_memory_cache else 0,
                disk_bytes=disk_size_limit_bytes or DISK_BYTES,
            )
            if type(self).cache_key is not Cache.cache_key:
                self._own.key_of = self._key_of_call

    @property
    def store(self) -> CacheStore:
        """Where the values are."""
        return self._own or store_in_force()

    @property
    def memory_cache(self) -> Mapping[str, str]:
        """The entries in memory, as texts by key; empty where that layer is off."""
        memory = self.store.memory
        with memory.lock:
            return MappingProxyType({key.hex(): text for key, text in memory.entries.items()})

    @property
    def disk_cache(self) -> Any:
        """The layer on disk; an empty mapping where that layer is off."""
        disk = self.store.disk
        return _NOTHING if disk is None else _OnDisk(disk)

    def cache_key(self, request: Mapping[str, Any], ignored_args_for_cache_key: Sequence[str] | None = None) -> str:
        """The hash that a request is kept under. Raises `TypeError` or `ValueError` for one that has no JSON form."""
        left = {k: v for k, v in request.items() if k not in (ignored_args_for_cache_key or ())}
        return blake2b(_canonical(left).encode(), digest_size=16).hexdigest()

    def get(self, request: Mapping[str, Any], ignored_args_for_cache_key: Sequence[str] | None = None) -> Any:
        """The value kept for a request, made anew each time; `None` where there is none."""
        key = self._key(request, ignored_args_for_cache_key)
        text = self.store.get(key) if key is not None else None
        try:
            return None if text is None else json.loads(text)
        except ValueError:
            return None

    def put(
        self,
        request: Mapping[str, Any],
        value: Any,
        ignored_args_for_cache_key: Sequence[str] | None = None,
        enable_memory_cache: bool = True,
    ) -> None:
        """Keep a value for a request; `enable_memory_cache=False` keeps it on disk only."""
        key = self._key(request, ignored_args_for_cache_key)
        if key is None:
            return
        try:
            text = _canonical(value)
        except (TypeError, ValueError):
            return
        if enable_memory_cache:
            self.store.put(key, text)
        elif (disk := self.store.disk) is not None:
            disk.put(key, text)

    def __contains__(self, request: object) -> bool:
        key = self._key(request, None) if isinstance(request, Mapping) else None
        return key is not None and key in self.store

    def reset_memory_cache(self) -> None:
        """Empty the memory layer; the disk keeps what it has."""
        self.store.clear_memory()

    def save_memory_cache(self, path: Any) -> NoReturn:
        """Refused: the disk layer keeps everything that memory has, as JSON. Raises `ConfigurationError`."""
        raise ConfigurationError("Everything in memory is on disk already (`configure_cache(disk_cache_dir=...)`); copy that folder.")

    def load_memory_cache(self, path: Any, allow_pickle: bool = False) -> NoReturn:
        """Refused: these files are pickles, which can run code. Raises `ConfigurationError`, a `ValueError`."""
        raise ConfigurationError(
            f"{str(path)!r} is a pickle, and pickles are never loaded. Point `disk_cache_dir` to a cache folder instead."
        )

    def _key_of_call(self, request: Request, endpoint: str) -> str:
        # A subclass with a `cache_key` of its own says which calls of models are the same.
        plain = {"model": endpoint.partition("#")[0], "messages": message_dicts(request.messages), **request.options}
        return self.cache_key(plain if request.rollout_id is None else {**plain, "rollout_id": request.rollout_id})

    def _key(self, request: Mapping[str, Any], ignored: Sequence[str] | None) -> bytes | None:
        try:
            name = self.cache_key(request, ignored)
        except (TypeError, ValueError, RecursionError):
            return None
        own = type(self).cache_key is Cache.cache_key
        return bytes.fromhex(name) if own else blake2b(name.encode(), digest_size=16).digest()


class _OnDisk:
    """The keys on disk, as texts."""

    def __init__(self, disk: Any) -> None:
        self._disk = disk

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._disk.get(bytes.fromhex(key)) is not None

    def __len__(self) -> int:
        return int(self._disk.count())

    def clear(self) -> None:
        """Empty the layer on disk, and nothing else."""
        self._disk.clear()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._disk.close()


cache: Final = Cache()


def chosen_cache() -> Any:
    """What `whet.cache` is: the cache in force, or what a program put there (`whet.cache = Cache(...)`)."""
    return vars(sys.modules["whet"]).get("cache", cache)


def put_in_force(chosen: Any) -> None:
    """Let a cache that was put at `whet.cache` keep the answers of models, too; giving the first one back undoes it."""
    now = current().cache
    if isinstance(chosen, Cache) and chosen._own is not None and chosen._own is not now:
        chosen._own.in_place_of = now
        configure(cache=chosen._own)
    elif chosen is cache and now is not None and now.in_place_of is not None:
        configure(cache=now.in_place_of)


def request_cache(
    cache_arg_name: str | None = None, ignored_args_for_cache_key: Sequence[str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function, sync or async, so that equal arguments are computed once; in the cache in force, by its qualified name.

    `cache_arg_name` names the argument that holds the request; without it all arguments do.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        key = _Key(function, cache_arg_name, frozenset(ignored_args_for_cache_key or ()))
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                request, chosen = key.request(args, kwargs), chosen_cache()
                if (known := chosen.get(request)) is None:
                    known = await function(*args, **kwargs)
                    chosen.put(request, known)
                return known

            return awaited

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            request, chosen = key.request(args, kwargs), chosen_cache()
            if (known := chosen.get(request)) is None:
                known = function(*args, **kwargs)
                chosen.put(request, known)
            return known

        return called

    return decorate


class _Key:
    """What the calls of one function are kept under."""

    def __init__(self, function: Callable[..., Any], argument: str | None, ignored: frozenset[str]) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.parameters = inspect.signature(function)
        self.argument, self.ignored = argument, ignored
        self.rest = next((p.name for p in self.parameters.parameters.values() if p.kind is p.VAR_KEYWORD), None)

    def request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        bound = self.parameters.bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments[self.argument] if self.argument else bound.arguments)
        if not self.argument and self.rest is not None:
            given |= given.pop(self.rest)
        try:  # taken down now: the function may change its arguments
            kept = json.loads(_canonical({k: v for k, v in given.items() if k not in self.ignored}))
        except (TypeError, ValueError):
            kept = {"": object()}  # has no JSON form, so that nothing is found or kept
        return {**kept, "_fn_identifier": self.name}


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_content_of)


def _content_of(value: Any) -> Any:
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return value.model_json_schema()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if inspect.isfunction(value):
        return inspect.getsource(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
