"""Spans of model calls through OpenTelemetry's own API and SDK; nothing where it is not set up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import whet
from whet.errors import LMServerError
from whet.testing import ScriptedLM, StubServer


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


def test_a_call_is_a_span_with_the_usual_names(spans: InMemorySpanExporter) -> None:
    with StubServer("anthropic") as stub, trace.get_tracer("test").start_as_current_span("outer") as outer:
        stub.lm(temperature=0.5)("A secret question")
    span = next(s for s in spans.get_finished_spans() if s.name == "chat anthropic/stub")
    attributes: dict[str, Any] = dict(span.attributes or {})
    assert attributes["gen_ai.provider.name"] == "anthropic"
    assert attributes["gen_ai.request.model"] == "anthropic/stub" and attributes["gen_ai.response.model"] == "served"
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (12, 7)
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",) and attributes["gen_ai.request.temperature"] == 0.5
    assert span.parent is not None and span.parent.span_id == outer.get_span_context().span_id
    assert "secret" not in span.to_json()


def test_a_failed_call_says_why(spans: InMemorySpanExporter) -> None:
    with pytest.raises(LMServerError):
        ScriptedLM([LMServerError("down")])("Hi")
    span = spans.get_finished_spans()[0]
    assert (span.attributes or {})["error.type"] == "server" and not span.status.is_ok


def test_without_a_provider_there_are_no_spans_and_no_import() -> None:
    code = "import whet, sys; whet.LM('embedded')('Hi'); print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert whet.BaseLM("m").model == "m"
