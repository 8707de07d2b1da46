"""`cassette`: records every exchange of a program with its models, and replays it without them."""

from __future__ import annotations

import json
import os
import re
import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias

import whet.errors as errors
from whet.core.context import context, current
from whet.core.exchange import Request, Response, StreamEvent
from whet.core.flow import Flow
from whet.core.private import make_folder, private
from whet.core.secret import Secret, scrub
from whet.core.under import under
from whet.errors import ConfigurationError, LMError, LMNotRecordedError
from whet.lm.cache import request_text
from whet.lm.codec import decode_response, encode_response
from whet.lm.replay import replay

__all__ = ["Cassette", "CassetteMode", "cassette", "error_of", "plain_error", "secrets_of"]

CassetteMode: TypeAlias = Literal["record", "replay", "auto"]
FORMAT: Final = 1
DETAILS: Final = ("provider", "provider_code", "status", "request_id", "retry_after", "attempts", "cost", "streamed")
# Environment variables whose values are credentials.
SECRET_NAMES: Final = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)S?$")
KEY_LIKE: Final = re.compile(r"\b(?:sk|pk|xai|gsk|dapi|hf|AIza)[-_][A-Za-z0-9_-]{16,}")


class _Credentials(list[str]):
    """What must not reach the file, nor any printed variable."""

    def __repr__(self) -> str:
        return f"<{len(self)} credentials>"


class Cassette:
    """Exchanges in a file of JSON lines, found again by what was asked. Made by `cassette(...)`."""

    def __init__(self, path: str | os.PathLike[str], mode: CassetteMode, secrets: Iterable[str] = ()) -> None:
        if mode not in ("record", "replay", "auto"):
            raise ConfigurationError(f"A cassette's `mode` is 'record', 'replay' or 'auto', not {mode!r}.")
        self.path, self.mode = Path(path), mode
        named = (value for name, value in os.environ.items() if SECRET_NAMES.search(name) and len(value) >= 8)
        self.secrets = _Credentials([*secrets, *named])
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[dict[str, Any]]] = defaultdict(deque)
        self._texts: list[str] = []
        if mode == "replay" and not self.path.is_file():
            raise ConfigurationError(f"There is no cassette at {str(self.path)!r} to replay. Record it once with mode='record'.")
        if mode != "record" and self.path.is_file():
            self._load()
        elif mode == "record":
            self._opened("w").close()

    def around(self, engine: Any, lm: Any) -> Any:
        """The engine of a model with this cassette around it."""
        return _Taped(self, engine, lm)

    def take(self, text: str) -> dict[str, Any] | None:
        """The next recorded exchange for a request, in the order of recording; each is given out once."""
        with self._lock:
            waiting = self._waiting.get(_name(text))
            return waiting.popleft() if waiting else None

    def add(self, text: str, outcome: dict[str, Any], secrets: list[str]) -> None:
        """Append an exchange to the file."""
        line = json.dumps({"format": FORMAT, "request": text, **outcome}, ensure_ascii=False, default=repr)
        with self._lock, self._opened("a") as file:
            file.write(self.clean(line, secrets) + "\n")

    def _opened(self, how: Literal["a", "w"]) -> IO[str]:
        make_folder(self.path.parent)
        return open(self.path, how, encoding="utf-8", opener=private)

    def clean(self, text: str, secrets: Iterable[str] = ()) -> str:
        """The text without anything that is, or looks like, a credential."""
        return KEY_LIKE.sub("***", scrub(text, [*self.secrets, *secrets]))

    def missing(self, text: str, model: str) -> LMNotRecordedError:
        """The error for a request that the cassette does not hold, or not that often."""
        if text in self._texts:
            hint = f"It was recorded {self._texts.count(text)} times, and asked for once more."
        else:
            near = max(self._texts, key=lambda known: _common(known, text), default="")
            at = max(0, _common(near, text) - 20)
            hint = f"The nearest one differs: recorded {near[at : at + 60]!r}, asked {text[at : at + 60]!r}." if near else "It is empty."
        return LMNotRecordedError(
            f"The cassette {str(self.path)!r} does not hold this request. {hint} Record again with mode='record', or use mode='auto'.",
            model=model,
        )

    def _load(self) -> None:
        for number, line in enumerate(self.path.read_text(encoding="utf-8").split("\n"), 1):
            if not line:
                continue
            try:
                entry = json.loads(line)
                text = entry["request"]
                if entry["format"] != FORMAT:
                    raise ValueError(f"format {entry['format']!r}")
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigurationError(f"Line {number} of the cassette {str(self.path)!r} cannot be read: {error}.") from error
            self._waiting[_name(text)].append(entry)
            self._texts.append(text)


class _Taped:
    """A model's engine that records, or replays."""

    __slots__ = ("cassette", "engine", "lm")

    def __init__(self, tape: Cassette, engine: Any, lm: Any) -> None:
        self.cassette, self.engine, self.lm = tape, engine, lm

    def flow(self, request: Request) -> Flow[Response]:
        tape = self.cassette
        secrets = secrets_of(self.lm)
        # The address is no part of it: a cassette is replayed where the server is not.
        text = tape.clean(f"{request_text(request, self.lm.identity().partition('@')[0])}#{request.n}", secrets)
        entry = tape.take(text) if tape.mode != "record" else None
        if entry is not None:
            return _replayed(entry)
        if tape.mode == "replay":
            raise tape.missing(text, self.lm.model)
        return (yield from self._recorded(request, text, secrets))

    def _recorded(self, request: Request, text: str, secrets: list[str]) -> Flow[Response]:
        tape, listener = self.cassette, current().listener
        pieces: list[Any] = []

        def tell(event: StreamEvent) -> None:
            pieces.append([event.kind, event.text, event.index, event.tool_index, event.tool_id, event.tool_name])
            listener(event)

        try:
            response: Response = yield from (
                self.engine.flow(request) if listener is None else under(self.engine.flow(request), listener=tell)
            )
        except LMError as error:
            tape.add(text, {"error": plain_error(error)}, secrets)
            raise
        outcome: dict[str, Any] = {"response": json.loads(encode_response(response)), "cache_hit": response.cache_hit}
        if pieces:
            outcome["pieces"] = [piece for piece in pieces if piece[0] in ("text", "reasoning", "tool_call")]
        tape.add(text, outcome, secrets)
        return response


def _replayed(entry: dict[str, Any]) -> Response:
    if "error" in entry:
        raise error_of(entry["error"])
    response = decode_response(json.dumps(entry["response"]), cache_hit=entry.get("cache_hit", False))
    if response is None:
        raise ConfigurationError("An answer in the cassette cannot be read. Record it again.")
    listener = current().listener
    if listener is not None:
        for kind, text, index, place, call_id, name in entry.get("pieces", ()):
            listener(StreamEvent(kind=kind, text=text, index=index, tool_index=place, tool_id=call_id, tool_name=name))
        replay(response, listener if "pieces" not in entry else lambda e: listener(e) if e.kind in ("citation", "usage", "done") else None)
    return response


def plain_error(error: LMError) -> dict[str, Any]:
    """A failure as plain data."""
    details = {name: value for name in DETAILS if (value := getattr(error, name, None)) not in (None, False)}
    return {"type": type(error).__name__, "message": error.message, "model": error.model, **details}


def error_of(plain: dict[str, Any]) -> LMError:
    """The failure again."""
    kind = getattr(errors, plain.pop("type"), LMError)
    known = kind if isinstance(kind, type) and issubclass(kind, LMError) else LMError
    return known(message=plain.pop("message"), **plain)


def secrets_of(lm: Any) -> _Credentials:
    """The credentials with which a model is asked."""
    access = getattr(lm, "access", None)
    if access is None:
        return _Credentials()
    found = [access.api_key, *access.headers.values(), *access.more.values()]
    values = _Credentials()
    for secret in found:
        if isinstance(secret, Secret):
            try:
                values.append(secret.reveal())
            except LMError:
                continue
    return _Credentials(value for value in values if len(value) >= 8)


def _name(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _common(one: str, other: str) -> int:
    return len(os.path.commonprefix([one, other]))


@contextmanager
def cassette(path: str | os.PathLike[str], mode: CassetteMode = "auto", *, secrets: Iterable[str] = ()) -> Iterator[Cassette]:
    """Record the exchanges with models, hosted embedders among them, in the `with` block to a file of JSON lines, or replay them from it.

    `record` starts the file anew, `replay` asks no model (`LMNotRecordedError` for a request that is not there), `auto` replays what the
    file holds and records the rest. Each recorded exchange is replayed once, equal requests in their order; failures and the pieces of
    streamed answers are kept, too. Keys of models, values of environment variables that are named like credentials, what looks like a
    key, and your own `secrets` never reach the file. A decorator as well.

    >>> import tempfile
    >>> from whet.lm.lm import LM
    >>> path = tempfile.mkdtemp() + "/hello.jsonl"
    >>> with cassette(path, "record"):
    ...     first = LM("embedded")("Hello")
    >>> with cassette(path, "replay"):
    ...     LM("embedded")("Hello") == first
    True
    """
    with context(cassette=Cassette(path, mode, secrets)):
        yield current().cassette
