"""The disk fills in the middle: a typed error that says so, nothing half-written is used, and the same run goes on once there is room.

The kernel's own limit of a file's size stands for the disk: like a full one it writes the part that fits and refuses the rest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

import whet
from whet.errors import ConfigurationError, TrainingError
from whet.lm.home import models_folder
from whet.train import EmbeddedTrainer, TrainConfig, as_data

if sys.platform == "win32":
    pytest.skip("there is no such limit", allow_module_level=True)
import resource

COLOURS = {"rose": "red", "fire": "red", "sea": "blue", "sky": "blue", "leaf": "green", "frog": "green"}
SIGNATURE = whet.Signature("thing -> colour").with_updated_fields("colour", type_=Literal["red", "blue", "green"])
ROWS = [whet.Example(thing=f"{thing} {n}", colour=colour).with_inputs("thing") for n in range(4) for thing, colour in COLOURS.items()]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.colour == prediction.colour)


class Counted(whet.Predict):
    """Counts how often it was run."""

    runs = 0

    def forward(self, **inputs: Any) -> Any:
        Counted.runs += 1
        return super().forward(**inputs)


def made(run_dir: Path) -> tuple[Any, int]:
    """What is collected in this folder, and how many runs of the program that took."""
    Counted.runs = 0
    with whet.context(lm=whet.LM("embedded")):
        return whet.collect(Counted(SIGNATURE), ROWS, right, run_dir=run_dir, num_threads=1), Counted.runs


def test_a_journal_that_cannot_grow_is_said_and_goes_on_from_where_it_was(tmp_path: Path) -> None:
    whole, needed = made(tmp_path / "whole")
    size = (tmp_path / "whole" / "journal.jsonl").stat().st_size
    run_dir = tmp_path / "run"
    for _ in range(2):  # the second finds the folder free again, and as full
        with room(size // 2), pytest.raises(ConfigurationError, match="journal.jsonl' cannot be written.*goes on"):
            made(run_dir)
    lines = (run_dir / "journal.jsonl").read_bytes()
    assert lines.endswith(b"\n") and all(json.loads(line) for line in lines.splitlines())
    again, more = made(run_dir)
    assert again.chats == whole.chats and 0 < more < needed


def test_a_search_that_cannot_even_note_its_end_tells_only_of_what_ended_it(tmp_path: Path) -> None:
    def filled(example: Any, prediction: Any, trace: Any = None) -> bool:
        """From the first score on there is no room for another byte."""
        size = (tmp_path / "run" / "journal.jsonl").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return True

    with room(1_000_000), whet.context(lm=whet.LM("embedded")), pytest.raises(ConfigurationError, match="journal.jsonl") as caught:
        whet.collect(whet.Predict(SIGNATURE), ROWS, filled, run_dir=tmp_path / "run", num_threads=1)
    assert isinstance(caught.value.__cause__, OSError) and caught.value.__cause__.__context__ is None


def test_weights_that_do_not_fit_are_no_model() -> None:
    chats = [whet.ChatAdapter().format_finetune_data(SIGNATURE, [], {"thing": row.thing}, {"colour": row.colour}) for row in ROWS]
    lm = whet.LM("embedded")

    def train() -> Any:
        return EmbeddedTrainer().train(as_data(chats), TrainConfig(lm=lm, name="colours")).result(60)

    with room(200), pytest.raises(TrainingError, match="cannot be written"):
        train()
    assert list(models_folder().iterdir()) == []
    with room(100), pytest.raises(OSError, match="rows.jsonl"):
        as_data(chats).save(models_folder() / "rows.jsonl")
    assert list(models_folder().iterdir()) == []
    assert train().model.startswith("embedded:colours-")
