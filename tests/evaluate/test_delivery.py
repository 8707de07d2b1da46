"""Where rows cannot be written or shown: found before the first call, or else nothing that was paid for is lost."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import ConfigurationError
from whet.evaluate import load_run
from whet.evaluate.stream import RowFile

ROWS = [whet.Example(n=n).with_inputs("n") for n in range(6)]


class Program:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, n: int) -> int:
        self.calls += 1
        return n


def right(row: Any, prediction: Any) -> bool:
    return bool(row.n == prediction)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"save_as_csv": "nowhere/rows.csv"}, "there is no folder 'nowhere'"),
        ({"save_as_json": "."}, "`save_as_json` is '.', a folder"),
        ({"stream_to": "."}, "`stream_to` is '.', a folder. Give a file, such as 'rows'"),
        ({"corpus": {"f1": 0.5}}, "'f1' is 0.5; it is a function of the rows"),
        ({"failure_score": None}, "`failure_score` is None"),
        ({"failure_score": float("nan")}, "`failure_score` is nan"),
        ({"timeout": float("nan")}, "`timeout` is nan"),
        ({"num_threads": "4"}, "`num_threads` is '4'"),
        ({"num_threads": 0}, "`num_threads` is 0; it is a whole number, at least 1"),
        ({"stream_to": 3}, "`stream_to` is 3; give the path of a file"),
        ({"save_as_csv": True}, "`save_as_csv` is True; give the path"),
        ({"corpus": [len]}, "`corpus` is .*; it maps names to functions"),
        ({"corpus": len}, "`corpus` is .*; it maps names to functions"),
        ({"num_threads": 2.5}, "`num_threads` is 2.5"),
        ({"repeats": 0}, "`repeats` is 0"),
        ({"repeats": 2.0}, "`repeats` is 2.0"),
        ({"display_table": "all"}, "`display_table` is 'all'"),
    ],
)
def test_an_argument_that_can_only_fail_at_the_end_fails_before_the_first_call(options: dict[str, Any], says: str) -> None:
    program = Program()
    with pytest.raises(ConfigurationError, match=says):
        whet.Evaluate(devset=ROWS, metric=right, **options)(program)
    assert program.calls == 0


def test_a_devset_that_is_none_is_said_to_be() -> None:
    with pytest.raises(ConfigurationError, match=r"`devset` is a NoneType; give a list of examples\."):
        whet.Evaluate(devset=None, metric=right)(Program())  # type: ignore[arg-type]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("option", ["save_as_csv", "save_as_json"])
def test_a_full_disk_at_the_end_takes_no_row_with_it(option: str, tmp_path: Path) -> None:
    (tmp_path / "rows").symlink_to("/dev/full")
    evaluate = whet.Evaluate(devset=ROWS, metric=right, num_threads=1, **{option: tmp_path / "rows"})
    with pytest.raises(OSError, match="No space left") as caught:
        evaluate(Program())
    assert evaluate.partial is not None and evaluate.partial.score == 100.0 and evaluate.partial.complete
    assert "`evaluate.partial` has them" in caught.value.__notes__[0]


def test_a_table_that_the_terminal_cannot_show_costs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    rows = [whet.Example(n="\u00e9").with_inputs("n")]
    result = whet.Evaluate(devset=rows, metric=right, num_threads=1, display_table=True)(Program())
    assert result.score == 100.0
    sys.stdout.flush()
    assert b"\\xe9" in sys.stdout.buffer.getvalue()  # type: ignore[attr-defined]


def test_a_terminal_is_shown_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [whet.Example(n="red\x1b[31m\x07\x9b2J\u202eend").with_inputs("n")]
    whet.Evaluate(devset=rows, metric=right, num_threads=1, display_table=True)(Program())
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"}.intersection(shown)
    assert "red" in shown and "end" in shown


def test_a_disk_that_is_full_in_the_middle_keeps_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = tmp_path / "rows.jsonl"
    evaluate = whet.Evaluate(devset=ROWS, metric=right, num_threads=1, stream_to=run)
    written: list[Any] = []

    class Disk(io.FileIO):
        def write(self, data: Any) -> int:
            written.append(data)
            if len(written) > 4:
                super().write(bytes(data)[:10])
                raise OSError(28, "No space left on device")
            return super().write(data)

    class OnDisk(RowFile):
        def __init__(self, path: Any, header: Any) -> None:
            super().__init__(path, header)
            self._file.close()
            self._file = Disk(path, "a")  # type: ignore[assignment]

    monkeypatch.setattr("whet.evaluate.running.RowFile", OnDisk)
    with pytest.raises(OSError, match="No space left"):
        evaluate(Program())
    assert evaluate.partial is not None and len(evaluate.partial.rows) == 5  # four are in the file, and the one that did not fit
    monkeypatch.undo()
    program = Program()
    assert evaluate(program).score == 100.0
    assert program.calls == 2 and len(load_run(run).rows) == 6


def test_an_error_that_cannot_be_shown_costs_no_rows(tmp_path: Path) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise KeyError("no text")

    def program(n: int) -> int:
        if n == 1:
            raise Unspeakable
        return n

    evaluate = whet.Evaluate(devset=ROWS, metric=right, num_threads=1, stream_to=tmp_path / "rows.jsonl")
    result = evaluate(program)
    assert result.errors[0].reason == "Unspeakable" and result.score == 83.33
    result.save_csv(tmp_path / "rows.csv")
    result.save_html(tmp_path / "page.html")
    assert load_run(tmp_path / "rows.jsonl").errors[0].reason == "Unspeakable"
    with pytest.raises(whet.EvaluationError, match="the last one: Unspeakable"):
        whet.Evaluate(devset=ROWS, metric=right, num_threads=1, max_errors=1)(program)


def test_an_error_keeps_its_name_however_often_it_is_saved(tmp_path: Path) -> None:
    def program(n: int) -> int:
        raise ValueError("boom")

    result = whet.Evaluate(devset=ROWS, metric=right, num_threads=1)(program)
    for _ in range(3):
        result.save_jsonl(tmp_path / "rows.jsonl")
        result = load_run(tmp_path / "rows.jsonl")
    assert result.errors[0].reason == "ValueError: boom"


def test_a_service_without_streams_can_be_asked_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    evaluate = whet.Evaluate(devset=ROWS, metric=right, num_threads=1, display_progress=True, display_table=True)
    for stderr in (None, closed):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", None)
            patched.setattr(sys, "stderr", stderr)
            result = evaluate(Program())
        assert result.score == 100.0
