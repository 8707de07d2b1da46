"""A canary key goes through everything a program does, and is found nowhere but in the header that needs it."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import gc
import io
import json
import logging
import pickle
import traceback
import types
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import LMError
from whet.lm.store import CacheStore
from whet.testing import StubServer

CANARY = "sk-canary-0123456789abcdef"
HEADER = "header-canary-9876543210"
QUERY = "query-canary-5544332211"


@pytest.mark.parametrize("format", ["openai", "responses", "anthropic", "gemini", "ollama", "bedrock", "sagemaker"])
def test_a_key_is_seen_in_its_header_only(format: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []

    class Watcher(whet.BaseCallback):
        def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            shown.append(f"{instance!r} {inputs!r}")

        def on_lm_end(self, call_id: str, outputs: Any, exception: Any) -> None:
            shown.append(f"{outputs!r} {exception!r}")

    faults = [None, None, "401", "503:0", "garbage", "drop"]
    with StubServer(format, "[[ ## answer ## ]]\nfine", faults=faults) as stub:
        secret = {"aws_secret_access_key" if format == "sagemaker" else "api_key": CANARY}
        lm = stub.lm(**secret, headers={"x-team": HEADER}, cache=True)
        store = CacheStore(tmp_path / "cache")
        settings = whet.context(lm=lm, cache=store, callbacks=[Watcher()])
        with settings, whet.cassette(tmp_path / "tape.jsonl", "record"), whet.trace() as steps:
            whet.Predict("question -> answer")(question="one?")
            list(lm.stream("two?"))
            for question in ("three?", "four?", "five?"):
                shown.append(failure_of(lambda q=question: lm(q)))
            shown.append(failure_of(lambda: list(lm.stream("six?"))))
            shown.append(failure_of(lambda: lm("eight?", timeout=0.000001)))
            asyncio.run(aask(lm))
        store.close()
        carried = {r.headers.get("authorization") or r.headers.get("x-api-key") or r.headers.get("x-goog-api-key") for r in stub.received}
        if format == "sagemaker":  # signs with its key, and never sends it
            assert all(value.startswith("AWS4-HMAC-SHA256 Credential=stub/") and CANARY not in value for value in carried)
        else:
            assert all(CANARY in (value or "") for value in carried)
    out = io.StringIO()
    lm.inspect_history(n=50, file=out)
    predict = whet.Predict("question -> answer")
    predict.lm = lm
    shown += [
        out.getvalue(), caplog.text, repr(lm), str(vars(lm)), repr(lm.access),
        json.dumps(lm.dump_state()), json.dumps(predict.dump_state()),
        repr(copy.deepcopy(lm)), str(vars(copy.copy(lm))), repr(steps), repr(steps.calls), repr([dict(entry) for entry in lm.history]),
        repr(whet.settings.copy()), repr(lm.engine()), str(vars(lm.source())), repr(lm.source().site.key),
    ]  # fmt: skip
    files = "".join(p.read_bytes().decode("latin-1") for p in tmp_path.rglob("*") if p.is_file())
    assert "fine" in files
    for text in [*shown, files]:
        assert CANARY not in text and HEADER not in text
    with pytest.raises(TypeError, match="Secret"):
        pickle.dumps(lm.access.more["aws_secret_access_key"] if format == "sagemaker" else lm.access.api_key)


async def aask(lm: Any) -> None:
    await lm.acall("seven?")


def failure_of(ask: Any) -> str:
    """Everything that a failed call shows, the variables of its frames included where they print themselves."""
    try:
        ask()
    except LMError as error:
        with_locals = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join([repr(error), str(vars(error)), *traceback.format_exception(error), *inside(with_locals)])
    return ""


def inside(chain: traceback.TracebackException) -> list[str]:
    """The local variables of our own frames, as error reporters print them."""
    frames = [frame for frame in chain.stack if "/whet/" in frame.filename and "/tests/" not in frame.filename]
    return [f"{name}={value}" for frame in frames for name, value in (frame.locals or {}).items()]


def test_a_servers_error_that_repeats_the_key_is_cleaned() -> None:
    from tests.integration.server import serving

    with serving(lambda b, n: (401, {}, {"error": {"message": f"Incorrect API key provided: {CANARY}."}})) as server:
        lm = whet.LM("openai/m", api_base=server.url, api_key=CANARY, cache=False, num_retries=0)
        with pytest.raises(LMError) as caught:
            lm("Hi")
    assert "Incorrect API key" in str(caught.value) and CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_saved_program_cannot_say_where_requests_go(tmp_path: Path) -> None:
    program = whet.Predict("question -> answer")
    program.lm = whet.LM("openai/gpt-4o-mini", api_key=CANARY, api_base="http://10.0.0.1/v1")
    program.save(tmp_path / "p.json")
    text = (tmp_path / "p.json").read_text(encoding="utf-8")
    assert CANARY not in text and "10.0.0.1" not in text
    (tmp_path / "p.json").write_text(text.replace('"model":', '"api_base": "http://evil.example.com", "model":'), encoding="utf-8")
    other = whet.Predict("question -> answer")
    other.load(tmp_path / "p.json")
    assert other.lm is None or other.lm.access.api_base is None


def shown_by(root: Any) -> list[str]:
    """What everything that hangs on an object shows of itself, texts alone left out."""
    seen: dict[int, Any] = {}
    todo, shown = [root], []
    while todo:
        one = todo.pop()
        shared = isinstance(one, dict) and ("__builtins__" in one or "PATH" in one)
        if id(one) in seen or shared or isinstance(one, types.ModuleType | type | str | bytes | int | float | types.FrameType):
            continue
        seen[id(one)] = one
        shown.append(repr(one))
        todo += gc.get_referents(one)
    return shown


def plain(one: Any) -> Any:
    """As careless loggers make JSON of anything."""
    return one.__dict__ if hasattr(one, "__dict__") else str(one)


@pytest.mark.parametrize("format", ["openai", "anthropic", "gemini", "sagemaker"])
def test_nothing_that_hangs_on_a_model_or_its_errors_shows_a_secret(format: str) -> None:
    with StubServer(format, faults=[None, "401", "garbage", "drop", "503"]) as stub:
        secret = {"aws_secret_access_key" if format == "sagemaker" else "api_key": CANARY}
        base = stub.api_base + f"?tenant=a&key={QUERY}"
        lm = stub.lm(**secret, api_base=base, headers={"x-team": HEADER})
        lm("one")
        errors = []
        for question in ("two", "three", "four", "five"):
            with pytest.raises(LMError) as caught:
                lm(question)
            errors.append(caught.value)
        assert all(QUERY in received.path for received in stub.received) or format == "sagemaker"
    things: list[Any] = [lm, lm.engine(), copy.deepcopy(lm), lm.copy(temperature=0.1), *errors]
    shown = [text for one in things for text in shown_by(one)]
    assert len(shown) > 300
    shown += [json.dumps(one, default=plain, skipkeys=True) for one in (vars(lm)["access"], *[vars(error) for error in errors])]
    shown += [repr(dataclasses.asdict(lm.access)), repr(dataclasses.astuple(lm.access)), lm.identity()]
    shown += ["".join([*traceback.format_exception(error), *inside(chain_of(error))]) for error in errors]
    for text in shown:
        assert CANARY not in text and HEADER not in text and QUERY not in text


def chain_of(error: BaseException) -> traceback.TracebackException:
    return traceback.TracebackException.from_exception(error, capture_locals=True)


def test_the_query_of_an_address_tells_models_apart_and_keys_do_not() -> None:
    def named(query: str) -> str:
        return whet.LM("openai/m", api_base="http://127.0.0.1:1/v1" + query).identity()

    assert named("?deployment=a&key=1") == named("?key=2&deployment=a") != named("?deployment=b") != named("")
    assert named("?api_key=1") == named("")
