"""Cassettes: what was recorded is replayed without a model, streams and failures too, and no secret reaches the file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.server import serving

import whet
from whet.core.exchange import Choice, Response, Usage
from whet.errors import ConfigurationError, LMError, LMNotRecordedError, LMServerError
from whet.testing import ScriptedLM, StubServer, no_real_calls

CANARY = "sk-canary-8f7e6d5c4b3a2910"


def program(lm: Any) -> list[Any]:
    return [lm("one"), lm("two"), lm("one"), lm("three", n=2, temperature=1.0)]


def test_a_program_replays_to_the_same_answers_with_no_server(tmp_path: Path) -> None:
    tape = tmp_path / "deep" / "tape.jsonl"
    with StubServer("openai", lambda r: f"answer {r.body['messages'][-1]['content']}") as stub:
        with whet.cassette(tape, "record"):
            first = program(stub.lm())
        sent = stub.count
    gone = stub_of_nobody()
    with no_real_calls(), whet.cassette(tape, mode="replay"):
        assert program(gone) == first
    assert (sent, len(tape.read_text(encoding="utf-8").splitlines())) == (5, 4)


def stub_of_nobody() -> whet.LM:
    return whet.LM("openai/stub", api_base="http://127.0.0.1:1/v1", api_key="none", cache=False, num_retries=0)


def test_a_request_that_is_not_there_is_a_typed_error_that_shows_the_difference(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with whet.cassette(tape, "record"):
        ScriptedLM(["a"])("The colour of the sky")
    with whet.cassette(tape, "replay"):
        with pytest.raises(LMNotRecordedError, match="colour of the sea") as caught:
            ScriptedLM(["a"])("The colour of the sea")
        assert "sky" in str(caught.value)
        assert ScriptedLM([])("The colour of the sky") == ["a"]
        with pytest.raises(LMNotRecordedError, match="1 times, and asked for once more"):
            ScriptedLM(["a"])("The colour of the sky")


def test_equal_requests_come_back_in_their_order(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with whet.cassette(tape, "record"):
        lm = ScriptedLM(["first", "second"])
        lm("again"), lm("again")
    with whet.cassette(tape, "replay"):
        assert [ScriptedLM([])("again"), ScriptedLM([])("again")] == [["first"], ["second"]]


def test_auto_records_what_is_new(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with whet.cassette(tape) as cassette:
        assert cassette.mode == "auto"
        ScriptedLM(["a"])("one")
    lm = ScriptedLM(["b"])
    with whet.cassette(tape):
        assert (lm("one"), lm("two")) == (["a"], ["b"])
    assert lm.calls == 1


def test_a_stream_replays_in_the_same_pieces(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    rich = Response(choices=(Choice(text="one two three", reasoning="hm hm"),), usage=Usage(input_tokens=5, output_tokens=4))

    def kinds(lm: Any) -> list[Any]:
        stream = lm.stream("Hi")
        return [(e.kind, e.text) for e in stream] + [stream.response.usage.total_tokens]

    async def akinds(lm: Any) -> list[Any]:
        stream = lm.stream("Hi")
        return [(e.kind, e.text) async for e in stream] + [stream.response.usage.total_tokens]

    with StubServer("openai", rich) as stub, whet.cassette(tape, "record"):
        first, second = kinds(stub.lm()), asyncio.run(akinds(stub.lm()))
    with whet.cassette(tape, "replay"):
        assert kinds(stub_of_nobody()) == first
        assert asyncio.run(akinds(stub_of_nobody())) == second == first
    assert [k for k, _ in first[:-1]].count("text") == 3


def test_failures_are_part_of_it(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with StubServer("openai", faults=["503:2.5"]) as stub, whet.cassette(tape, "record"), pytest.raises(LMServerError):
        stub.lm()("Hi")
    with whet.cassette(tape, "replay"), pytest.raises(LMServerError) as caught:
        stub_of_nobody()("Hi")
    assert (caught.value.status, caught.value.retry_after) == (503, 2.5)


def test_no_secret_reaches_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = tmp_path / "tape.jsonl"
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "token-canary-123456")
    monkeypatch.setenv("WHATEVER", "ordinary word")
    monkeypatch.setenv("PUBLIC_KEY", "off")  # too short for a credential
    with StubServer("openai", f"I saw {CANARY}") as stub, whet.cassette(tape, "record", secrets=["hush-hush-canary"]):
        lm = stub.lm(api_key=CANARY, headers={"x-team": "header-canary-1"})
        lm(f"Key {CANARY}, token-canary-123456, hush-hush-canary, an ordinary word and an off")
    text = tape.read_text(encoding="utf-8")
    assert "canary" not in text
    assert "an ordinary word and an off" in text
    assert "127.0.0.1" not in text
    json.loads(text)


def test_a_damaged_file_says_which_line(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text('{"format": 1, "request": "x", "response": {}}\nnonsense\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="Line 2"), whet.cassette(tape, "replay"):
        pass
    with pytest.raises(ConfigurationError, match="no cassette"), whet.cassette(tmp_path / "none.jsonl", "replay"):
        pass
    with pytest.raises(ConfigurationError, match="mode"), whet.cassette(tape, "rewind"):  # type: ignore[arg-type]
        pass


def test_threads_and_tasks_share_one(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"

    async def many(lm: Any) -> list[Any]:
        return await asyncio.gather(*(lm.acall(f"question {i}") for i in range(50)))

    with whet.cassette(tape, "record"):
        first = asyncio.run(many(ScriptedLM(lambda r: r.messages[-1].text.upper())))
    with whet.cassette(tape, "replay"):
        assert asyncio.run(many(ScriptedLM([]))) == first


def test_only_its_owner_reads_it_unless_he_says_so(tmp_path: Path) -> None:
    tape = tmp_path / "new" / "tape.jsonl"
    for wanted in (0o600, 0o644):
        for mode in ("record", "auto"):
            with whet.cassette(tape, mode):
                ScriptedLM(["Hello", "Hello"])("Hi " + mode)
            assert tape.stat().st_mode & 0o777 == wanted
        tape.chmod(0o644)
    assert tape.parent.stat().st_mode & 0o777 == 0o700
    with whet.cassette(tmp_path / "other" / "auto.jsonl"):
        ScriptedLM(["Hello"])("Hi")
    assert (tmp_path / "other" / "auto.jsonl").stat().st_mode & 0o777 == 0o600


def test_errors_that_are_no_lm_errors_stay_what_they_are(tmp_path: Path) -> None:
    with whet.cassette(tmp_path / "t.jsonl", "record"), pytest.raises(ZeroDivisionError):
        ScriptedLM([ZeroDivisionError("oops")])("Hi")
    assert not issubclass(ZeroDivisionError, LMError)


def test_embeddings_are_recorded_and_replayed_with_their_usage(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"

    def embed(base: str) -> tuple[Any, dict[str, Any]]:
        embedder = whet.Embedder("openai/text-embedding-3-small", api_base=base, api_key=CANARY, batch_size=2, caching=False)
        with whet.track_usage() as tracker:
            rows = [list(map(float, row)) for row in embedder(["one", "two", "three"])]
            rows.append(list(map(float, asyncio.run(embedder.acall("one")))))
        return rows, tracker.get_total_tokens()

    def answer(body: dict[str, Any], number: int) -> Any:
        rows = [{"index": i, "embedding": [float(len(t)), 0.1]} for i, t in enumerate(body["input"])]
        return 200, {}, {"data": rows, "usage": {"prompt_tokens": len(rows), "total_tokens": len(rows)}}

    with serving(answer) as server, whet.cassette(tape, "record"):
        first = embed(server.url)
    assert first[1]["openai/text-embedding-3-small"]["prompt_tokens"] == 4
    with no_real_calls(), whet.cassette(tape, "replay"):
        assert embed("http://127.0.0.1:1/v1") == first
        with pytest.raises(LMNotRecordedError, match="four"):
            whet.Embedder("openai/text-embedding-3-small", api_key="x", caching=False)(["one", "four"])
    assert CANARY not in tape.read_text(encoding="utf-8")


def test_a_failed_embedding_fails_again(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    embed = whet.Embedder("openai/e", api_base="http://127.0.0.1:1/v1", api_key="x", caching=False, num_retries=0)
    with whet.cassette(tape, "record"), pytest.raises(LMError) as first:
        embed("one")
    with whet.cassette(tape, "replay"), pytest.raises(type(first.value), match="127.0.0.1:1"):
        embed("one")
