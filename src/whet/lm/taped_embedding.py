"""Vectors on a cassette: recorded beside the answers of models, and replayed without a server."""

from __future__ import annotations

import json
from typing import Any

from whet.core.exchange import Usage
from whet.core.flow import Flow
from whet.errors import LMError
from whet.lm.cassette import Cassette, error_of, plain_error, secrets_of
from whet.lm.hosted_embedding import HostedEmbedding
from whet.lm.vectors import Vectors, packed, unpacked

__all__ = ["taped"]


def taped(tape: Cassette, hosted: HostedEmbedding, texts: list[str], asking: Flow[Vectors]) -> Flow[Vectors]:
    """The vectors of these texts from the cassette, or from `asking` and onto it, as its mode says.

    Raises `LMNotRecordedError` where a cassette that only replays does not hold them.
    """
    secrets = secrets_of(hosted)
    # The address is no part of it: a cassette is replayed where the server is not.
    asked = {"embedding": hosted.facts.full_name, "options": hosted.options, "texts": texts}
    text = tape.clean(json.dumps(asked, sort_keys=True, ensure_ascii=False, default=repr), secrets)
    entry = tape.take(text) if tape.mode != "record" else None
    if entry is not None:
        return _replayed(entry)
    if tape.mode == "replay":
        raise tape.missing(text, hosted.facts.full_name)
    try:
        vectors = yield from asking
    except LMError as error:
        tape.add(text, {"error": plain_error(error)}, secrets)
        raise
    tape.add(text, {"vectors": [packed(row) for row in vectors.rows], "input_tokens": vectors.usage.input_tokens}, secrets)
    return vectors


def _replayed(entry: dict[str, Any]) -> Vectors:
    if "error" in entry:
        raise error_of(entry["error"])
    rows = [row for text in entry["vectors"] if (row := unpacked(text)) is not None]
    return Vectors(rows=rows, usage=Usage(input_tokens=entry["input_tokens"]))
