"""The traceback of one of whet's errors shows the user's lines and where it was raised, and nothing between."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import AdapterParseError, SchemaError
from whet.testing.scripted import ScriptedLM

PACKAGE = str(Path(whet.__file__).parent)


class Outer(whet.Module):
    """A user's module around a predictor."""

    def __init__(self) -> None:
        self.inner = whet.ChainOfThought("question -> answer: int")

    def forward(self, question: str) -> Any:
        return self.inner(question=question)

    async def aforward(self, question: str) -> Any:
        return await self.inner.acall(question=question)


def frames(error: BaseException) -> list[tuple[bool, str]]:
    """Whether each frame is whet's, and its function."""
    return [(f.filename.startswith(PACKAGE), f.name) for f in traceback.extract_tb(error.__traceback__)]


def sync(program: Any) -> Any:
    return program(question="?")


def on_loop(program: Any) -> Any:
    return asyncio.run(program.acall(question="?"))


@pytest.mark.parametrize(("call", "forward"), [(sync, "forward"), (on_loop, "aforward")])
def test_the_users_frames_stay_and_of_ours_the_last(call: Callable[[Any], Any], forward: str) -> None:
    with whet.context(lm=ScriptedLM(["[[ ## reasoning ## ]]\nhm\n\n[[ ## answer ## ]]\nmany"])), pytest.raises(AdapterParseError) as caught:
        call(Outer())
    shown = frames(caught.value)
    assert len([name for ours, name in shown if ours]) <= 3  # the call of each program, and where it was raised
    assert forward in [name for ours, name in shown if not ours] and shown[-1][0]
    assert isinstance(caught.value.__cause__, SchemaError)
    assert len(frames(caught.value.__cause__)) == 1


def test_a_fault_that_is_not_said_by_us_keeps_every_frame() -> None:
    class Broken(Outer):
        def forward(self, question: str) -> Any:
            raise KeyError(question)

    with pytest.raises(KeyError) as caught:
        Broken()(question="?")
    assert "drive" in [name for _, name in frames(caught.value)]


def test_who_works_on_whet_can_see_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_FULL_TRACEBACKS", "1")
    with whet.context(lm=ScriptedLM(["no"])), pytest.raises(AdapterParseError) as caught:
        Outer()(question="?")
    assert len(frames(caught.value)) > 10
