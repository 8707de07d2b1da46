"""`Embedder`: texts to vectors, by a hosted model, a function of yours, or hashing that needs nothing."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from math import isfinite
from typing import Any, Final

from whet.core.context import current
from whet.core.exchange import Usage
from whet.core.flow import Flow, Gather, Invoke, Job, adrive, drive
from whet.core.hashing import hash_embed
from whet.core.wording import counted
from whet.errors import ConfigurationError, InputError
from whet.lm.callable_identity import identity_of
from whet.lm.hosted_embedding import HostedEmbedding, asks_litellm
from whet.lm.store import CacheStore
from whet.lm.vectors import Vectors, packed, unpacked
from whet.lm.wrapping import store_in_force

__all__ = ["Embedder"]

HASHING: Final = "hashing"


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
        size = self.batch_size if batch_size is None else batch_size
        if size < 1:
            raise ConfigurationError(f"`batch_size` is {size!r}; a batch holds at least 1 text.")
        engine = self._engine({**self.default_kwargs, **kwargs})
        store = store_in_force() if (self.caching if caching is None else caching) else None
        asking = _vectors(engine, texts, size, store)
        settings = current()
        if settings.cassette is not None and isinstance(engine, HostedEmbedding):
            from whet.lm.taped_embedding import taped  # noqa: PLC0415 - few programs record what they embed

            asking = taped(settings.cassette, engine, texts, asking)
        vectors: Vectors = yield from asking
        used = vectors.usage.total_tokens
        if settings.usage_tracker is not None and used:
            settings.usage_tracker.add_usage(str(self.model), {"prompt_tokens": vectors.usage.input_tokens, "total_tokens": used})
        return _shaped(vectors.rows, single=isinstance(inputs, str))

    def _engine(self, options: dict[str, Any]) -> _Local | HostedEmbedding:
        """What embeds a batch."""
        if self.model == HASHING:
            return _Local(hash_embed, {"dim": 256, **options}, "hashing")
        if isinstance(self.model, str):
            hosted = HostedEmbedding(self.model, options)
            return self._hosted.setdefault((hosted.identity, asks_litellm()), hosted)
        if callable(self.model):
            return _Local(self.model, options, identity_of(self.model))
        raise ConfigurationError(f"An Embedder's model is the name of one, or a function from texts to rows; got {self.model!r}.")

    def __repr__(self) -> str:
        return f"Embedder({self.model!r})"


class _Local:
    """A function in this process, with who it is in the cache."""

    side_by_side = 1

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any], name: str) -> None:
        self.function, self.options = function, options
        self.identity = f"{name} {sorted(options.items())!r}"

    def flow(self, texts: list[str]) -> Flow[Vectors]:
        """One row per text."""
        rows = yield Invoke(self.function, (texts,), self.options, inline=self.function is hash_embed)
        made = [array("f", row) for row in rows]
        if len(made) != len(texts):
            raise InputError(
                f"The embedding function gave {counted(len(made), 'row')} for {counted(len(texts), 'text')}; it must give one for each."
            )
        return Vectors(rows=made)

    def refused(self, what: str) -> InputError:
        """The error for rows that cannot be used."""
        return InputError(f"The embedding function gave {what}.")


def _vectors(engine: _Local | HostedEmbedding, texts: list[str], size: int, store: CacheStore | None) -> Flow[Vectors]:
    """A row per text, from the cache where it knows the text, else in batches, each text once."""
    keys = {text: _key(engine.identity, text) for text in texts} if store is not None and store.enabled else {}
    rows = {text: row for text, key in keys.items() if store is not None and (row := unpacked(store.get(key))) is not None}
    missing = [text for text in dict.fromkeys(texts) if text not in rows]
    batches = [missing[i : i + size] for i in range(0, len(missing), size)]
    usage, failed = Usage(), None
    for batch, made in zip(batches, (yield from _all(engine, batches)), strict=False):
        if isinstance(made, Exception):
            failed = failed or made
            continue
        usage += made.usage
        _check_rows(engine, made.rows, next(iter(rows.values()), None))
        for text, row in zip(batch, made.rows, strict=True):
            rows[text] = row
            if store is not None and text in keys:
                store.put(keys[text], packed(row))
    if failed is not None:  # what the others gave is paid for, and kept
        raise failed
    return Vectors(rows=[rows[text] for text in texts], usage=usage)


def _all(engine: _Local | HostedEmbedding, batches: list[list[str]]) -> Flow[list[Vectors | Exception]]:
    if len(batches) < 2 or engine.side_by_side == 1:
        made: list[Vectors | Exception] = []
        for batch in batches:
            try:
                made.append((yield from engine.flow(batch)))
            except Exception as error:  # noqa: BLE001 - raised when what came before it is kept
                return [*made, error]
        return made
    return (yield Gather(_jobs(engine, batches), limit=engine.side_by_side))  # type: ignore[no-any-return]


def _check_rows(engine: _Local | HostedEmbedding, rows: list[array[float]], known: array[float] | None) -> None:
    """Before they are kept: numbers, and as many in each row as in those that are known."""
    for row in rows:
        if not row or not isfinite(sum(row)):
            raise engine.refused("a row without numbers, or with NaN or infinity among them, which would spoil every comparison")
        known = row if known is None else known
        if len(row) != len(known):
            raise engine.refused(
                f"rows of {len(known)} and of {len(row)} numbers. Is it another model now, under the same name? Then leave out what was "
                "kept of the old one: `caching=False`"
            )


def _jobs(engine: _Local | HostedEmbedding, batches: list[list[str]]) -> Iterator[Job]:
    for batch in batches:
        yield lambda batch=batch: engine.flow(batch)  # type: ignore[misc]


def _checked(inputs: Any) -> list[str]:
    texts = [inputs] if isinstance(inputs, str) else list(inputs) if isinstance(inputs, Sequence) else [inputs]
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"All inputs of an Embedder must be strings; got {type(text).__name__}: {text!r:.80}")
    return texts


def _key(identity: str, text: str) -> bytes:
    return blake2b(f"embedding\n{identity}\n{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _shaped(rows: list[array[float]], *, single: bool) -> Any:
    try:
        import numpy  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        return rows[0] if single else rows
    if single:
        return numpy.array(rows[0], dtype=numpy.float32)
    return numpy.array(rows, dtype=numpy.float32).reshape(len(rows), -1 if rows else 0)
