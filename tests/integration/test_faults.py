"""The table of faults and wire formats: what each fault is to the caller, whole and streamed, in every format that whet speaks."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import pytest
from tests.integration.server import serving

import whet
from whet.core.exchange import Choice, Response, Usage
from whet.errors import LMError, LMRateLimitError, LMServerError, LMTransportError, LMUnexpectedError
from whet.testing import StubServer
from whet.testing.stub import FAULTS

FORMATS = ["openai", "responses", "text", "anthropic", "gemini", "ollama", "bedrock", "sagemaker"]
TEXT = "one two three four five six"
PLAIN = Response(choices=(Choice(text=TEXT),), usage=Usage(input_tokens=10, output_tokens=6))
# What comes of an answer in one piece, and of one that is streamed: a text, or an error.
TABLE: dict[str, tuple[Any, Any]] = {
    "drop": (LMTransportError, LMTransportError),
    "drop_early": (LMTransportError, LMTransportError),
    "slow": (TEXT, TEXT),
    "garbage": (LMUnexpectedError, LMError),
    "html": (LMUnexpectedError, LMError),
    "huge": ("x" * 20_000_000, LMUnexpectedError),
    "endless": (LMUnexpectedError, LMUnexpectedError),
    "duplicate": (TEXT, TEXT),
    "empty": (LMUnexpectedError, LMError),
    "429": (LMRateLimitError, LMRateLimitError),
    "500": (LMServerError, LMServerError),
    "503": (LMServerError, LMServerError),
}


def test_the_table_has_every_fault() -> None:
    assert set(FAULTS) <= set(TABLE)


def whole(stub: StubServer) -> str:
    return text_of(stub.lm()("Hi"))


def text_of(outputs: list[Any]) -> str:
    """The text of an answer; with the Responses API an answer is a dict."""
    (output,) = outputs
    return output["text"] if isinstance(output, dict) else output


async def streamed(stub: StubServer) -> str:
    return "".join([event.text async for event in stub.lm().stream("Hi") if event.kind == "text"])


def outcome(ask: Any) -> Any:
    try:
        return ask()
    except LMError as error:
        return error


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("fault", TABLE)
def test_each_fault_in_each_format(format: str, fault: str) -> None:
    with StubServer(format, PLAIN, faults=[fault, fault]) as stub:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcomes = outcome(lambda: whole(stub)), outcome(lambda: asyncio.run(streamed(stub)))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most
        assert stub.count == 2
    for got, wanted in zip(outcomes, TABLE[fault], strict=True):
        assert got == wanted if isinstance(wanted, str) else isinstance(got, wanted), got
    assert fault != "endless" or grown < 200_000, "memory in KB"


@pytest.mark.parametrize("format", FORMATS)
def test_a_storm_of_429_ends_in_answers_in_each_format(format: str) -> None:
    with StubServer(format, PLAIN, faults=["429:0.02"] * 4) as stub:
        lm = stub.lm(num_retries=8)

        async def main() -> list[str]:
            return [text_of(outputs) for outputs in await asyncio.gather(*(lm.acall(f"Hi {i}") for i in range(6)))]

        assert asyncio.run(main()) == [TEXT] * 6
        assert 10 <= stub.count <= 14


@pytest.mark.parametrize("name", ["openai/m", "anthropic/m", "gemini/m"])
def test_a_redirect_to_another_place_is_told_and_not_followed(name: str) -> None:
    def answer(body: dict[str, Any], number: int) -> Any:
        return 301, {"location": "https://me:pw@elsewhere.example.com/v1?key=secret"}, {}

    with serving(answer) as server:
        lm = whet.LM(name, api_base=server.url, api_key="k", cache=False)
        for ask in (lambda: lm("Hi"), lambda: list(lm.stream("Hi")), lambda: asyncio.run(lm.acall("Hi"))):
            with pytest.raises(LMUnexpectedError, match=r"redirects to 'https://elsewhere.example.com/v1' \(HTTP 301\)") as caught:
                ask()
            assert "secret" not in str(caught.value) and "pw" not in str(caught.value) and "api_base" in str(caught.value)
        assert server.count == 3


@pytest.mark.parametrize("headers", [{}, {"location": "http://[bad"}])
def test_a_redirect_that_leads_nowhere_is_told(headers: dict[str, str]) -> None:
    with serving(lambda body, number: (302, headers, {})) as server:
        for ask in (
            whet.LM("openai/m", api_base=server.url, api_key="k", cache=False),
            whet.Embedder("openai/e", api_base=server.url, api_key="k"),
        ):
            with pytest.raises(LMUnexpectedError, match="does not say where to"):
                ask("Hi")
