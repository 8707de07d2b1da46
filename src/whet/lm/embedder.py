"""`Embedder`: texts to vectors, by a hosted model, a function of yours, or hashing that needs nothing."""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from whet.core.flow import Flow, Gather, Invoke, Job, adrive, drive
from whet.core.hashing import hash_embed
from whet.errors import ConfigurationError, InputError
from whet.lm.callable_identity import identity_of
from whet.lm.hosted_embedding import HostedEmbedding
from whet.lm.wrapping import store_in_force

__all__ = ["Embedder"]

HASHING: Final = "hashing"
# Batches of a hosted model that are under way at once.
SIDE_BY_SIDE: Final = 8


class Embedder:
    """Turns a text into a vector, or a list of texts into a matrix: float32 numpy arrays, or `array('f')` rows where there is no numpy.

    `model` is a hosted model (`"openai/text-embedding-3-small"`, any OpenAI-compatible server with `api_base=`, Ollama, Gemini), a
    function from a list of texts to rows (sync or async), or `"hashing"`: words and character n-grams hashed into `dim=256` numbers, the
    same on every machine, with no download. Texts go out in batches of `batch_size`; rows are kept in whet's cache unless `caching` is
    false, each text once. Other keywords reach the function or the provider (`dimensions=512`), and can be given per call.

    Raises `ConfigurationError` (a `ValueError`) at the call for a model that is neither a name nor a function, `InputError` (a
    `ValueError`, too) for inputs that are not texts.

    >>> embed = Embedder("hashing", dim=64, caching=False)
    >>> len(embed("card payment")), len(embed(["a", "b", "c"]))
    (64, 3)
    """

    def __init__(self, model: Any, batch_size: int = 200, caching: bool = True, **kwargs: Any) -> None:
        self.model = model
        self.batch_size = batch_size
        self.caching = caching
        self.default_kwargs = kwargs
        self._hosted: dict[Any, HostedEmbedding] = {}

    def __call__(self, inputs: str | Sequence[str], batch_size: int | None = None, caching: bool | None = None, **kwargs: Any) -> Any:
        """One vector for a text, one row per text for a list."""
        return drive(self.flow(inputs, batch_size=batch_size, caching=caching, **kwargs))

    async def acall(self, inputs: str | Sequence[str], batch_size: int | None = None, caching: bool | None = None, **kwargs: Any) -> Any:
        """The same, from async code."""
        return await adrive(self.flow(inputs, batch_size=batch_size, caching=caching, **kwargs))

    def flow(self, inputs: str | Sequence[str], *, batch_size: int | None = None, caching: bool | None = None, **kwargs: Any) -> Flow[Any]:
        """The same as a flow."""
        texts = _checked(inputs)
        options = {**self.default_kwargs, **kwargs}
        size = self.batch_size if batch_size is None else batch_size
        if size < 1:
            raise ConfigurationError(f"`batch_size` is {size!r}; a batch holds at least 1 text.")
        embed, identity, limit = self._engine(options)
        store = store_in_force() if (self.caching if caching is None else caching) else None
        keys = {text: _key(identity, text) for text in texts} if store is not None and store.enabled else {}
        rows = {text: row for text, key in keys.items() if store is not None and (row := _unpacked(store.get(key))) is not None}
        missing = [text for text in dict.fromkeys(texts) if text not in rows]
        batches = [missing[i : i + size] for i in range(0, len(missing), size)]
        for batch, made in zip(batches, (yield from _all(embed, batches, limit)), strict=True):
            for text, row in zip(batch, made, strict=True):
                rows[text] = row
                if store is not None and text in keys:
                    store.put(keys[text], _packed(row))
        return _shaped([rows[text] for text in texts], single=isinstance(inputs, str))

    def _engine(self, options: dict[str, Any]) -> tuple[Callable[[list[str]], Flow[list[array[float]]]], str, int]:
        """What embeds a batch, who it is in the cache, and how many batches may be under way."""
        if self.model == HASHING:
            return _Local(hash_embed, {"dim": 256, **options}).flow, f"hashing {sorted(options.items())!r}", 1
        if isinstance(self.model, str):
            hosted = HostedEmbedding(self.model, options)
            hosted = self._hosted.setdefault(hosted.identity, hosted)
            return hosted.flow, hosted.identity, SIDE_BY_SIDE
        if callable(self.model):
            return _Local(self.model, options).flow, f"{identity_of(self.model)} {sorted(options.items())!r}", 1
        raise ConfigurationError(f"An Embedder's model is the name of one, or a function from texts to rows; got {self.model!r}.")

    def __repr__(self) -> str:
        return f"Embedder({self.model!r})"


class _Local:
    """A function in this process."""

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self.function, self.options = function, options

    def flow(self, texts: list[str]) -> Flow[list[array[float]]]:
        """One row per text."""
        rows = yield Invoke(self.function, (texts,), self.options, inline=self.function is hash_embed)
        made = [array("f", row) for row in rows]
        if len(made) != len(texts):
            raise InputError(f"The embedding function gave {len(made)} rows for {len(texts)} texts; it must give one for each.")
        return made


def _all(embed: Callable[[list[str]], Flow[Any]], batches: list[list[str]], limit: int) -> Flow[list[Any]]:
    if len(batches) < 2 or limit == 1:
        made = []
        for batch in batches:
            made.append((yield from embed(batch)))
        return made
    outcomes = yield Gather(_jobs(embed, batches), limit=limit)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return outcomes  # type: ignore[no-any-return]


def _jobs(embed: Callable[[list[str]], Flow[Any]], batches: list[list[str]]) -> Iterator[Job]:
    for batch in batches:
        yield lambda batch=batch: embed(batch)  # type: ignore[misc]


def _checked(inputs: Any) -> list[str]:
    texts = [inputs] if isinstance(inputs, str) else list(inputs) if isinstance(inputs, Sequence) else [inputs]
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"All inputs of an Embedder must be strings; got {type(text).__name__}: {text!r:.80}")
    return texts


def _key(identity: str, text: str) -> bytes:
    return blake2b(f"embedding\n{identity}\n{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _packed(row: array[float]) -> str:
    return "f32:" + b64encode(row.tobytes()).decode("ascii")


def _unpacked(text: str | None) -> array[float] | None:
    if text is None or not text.startswith("f32:"):
        return None
    row = array("f")
    try:
        row.frombytes(b64decode(text[4:], validate=True))
    except ValueError:
        return None
    return row


def _shaped(rows: list[array[float]], *, single: bool) -> Any:
    try:
        import numpy  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        return rows[0] if single else rows
    if single:
        return numpy.array(rows[0], dtype=numpy.float32)
    return numpy.array(rows, dtype=numpy.float32).reshape(len(rows), -1 if rows else 0)
