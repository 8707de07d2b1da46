"""Files of rows that were edited, cut, taken up by another process, or are none at all."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.errors import StateError
from whet.evaluate import diff, load_run

ROWS = [whet.Example(n=i, label=i % 2 == 0).with_inputs("n") for i in range(4)]


def same(row: whet.Example, prediction: whet.Prediction) -> bool:
    return bool(row.label == prediction.label)


def even(n: int) -> whet.Prediction:
    return whet.Prediction(label=n % 2 == 0)


def saved(path: Path) -> list[dict[str, Any]]:
    whet.Evaluate(devset=ROWS, metric=same, num_threads=1, stream_to=path)(even)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda lines: lines[1].pop("index"), "Line 2 .* its `index` is None"),
        (lambda lines: lines[2].update(score="high"), "Line 3 .* its `score` is 'high'"),
        (lambda lines: lines[2].update(example=3), "its `example` is 3"),
        (lambda lines: lines[2].update(status="fine"), "status 'fine'; there are: ok, program_error"),
        (lambda lines: lines.append([1]), "Line 6 .* is no row"),
        (lambda lines: lines[0].update(version=99), "version"),
    ],
)
def test_a_row_that_is_none_is_named_by_its_line(tmp_path: Path, spoil: Any, says: str) -> None:
    file = tmp_path / "rows.jsonl"
    lines = saved(file)
    spoil(lines)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(StateError, match=says):
        load_run(file)
    with pytest.raises(StateError, match=says):
        whet.Evaluate(devset=ROWS, metric=same, num_threads=1, stream_to=file)(even)


@pytest.mark.parametrize("content", [b'{"mine": 1}', b"a text of mine\n", b'{"format": "another"}\n', b"\xff\xfe\x00\n"])
def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(content)
    with pytest.raises(StateError):
        whet.Evaluate(devset=ROWS, metric=same, num_threads=1, stream_to=file)(even)
    assert file.read_bytes() == content


def test_a_run_killed_in_its_first_line_begins_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    saved(file)
    file.write_bytes(file.read_bytes()[:30])
    assert whet.Evaluate(devset=ROWS, metric=same, num_threads=1, stream_to=file)(even).score == 100.0
    assert len(load_run(file).rows) == 4


def test_two_evaluations_cannot_write_one_file(tmp_path: Path) -> None:
    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1, stream_to=tmp_path / "rows.jsonl")
    seen: list[str] = []

    def nested(n: int) -> whet.Prediction:
        with pytest.raises(StateError) as caught:
            evaluate(nested)
        seen.append(str(caught.value))
        return even(n)

    assert evaluate(nested).score == 100.0
    assert len(seen) == 4 and "Another evaluation is writing" in seen[0]


def test_a_run_goes_on_in_another_process_whatever_the_order_of_sets_is(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import functools, sys, whet
        class Index:
            pass
        def program(index, n, tags):
            print("asked")
            return whet.Prediction(label="yes" if n in {"one", "two", "three", "four"} else "no")
        def metric(row, prediction):
            return prediction.label in {"yes", "ja", "oui", "si"}
        devset = [whet.Example(n=n, tags={"a", "b", "c", n}, by=Index()).with_inputs("n", "tags") for n in ("one", "five")]
        evaluate = whet.Evaluate(devset=devset, metric=metric, num_threads=1, stream_to=sys.argv[1])
        print(evaluate(functools.partial(program, Index())).score)
        """),
        encoding="utf-8",
    )
    outputs = [
        subprocess.run(
            [sys.executable, str(script), str(tmp_path / "rows.jsonl")],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2", "3")
    ]
    assert outputs == [["asked", "asked", "50.0"], ["50.0"], ["50.0"]]


def test_numbers_without_end_leave_the_files_json(tmp_path: Path) -> None:
    rows = [whet.Example(n=i, bound=float("inf")).with_inputs("n") for i in range(2)]
    evaluate = whet.Evaluate(devset=rows, metric=lambda row, pred: True, num_threads=1)
    result = evaluate(lambda n: whet.Prediction(value=float("nan"), values=[1.0, float("-inf")]))
    result.save_json(tmp_path / "r.json")
    result.save_jsonl(tmp_path / "r.jsonl")
    result.save_csv(tmp_path / "r.csv")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"), parse_constant=refuse)[0]["values"] == [1.0, None]
    for line in (tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=refuse)
    assert "nan" in (tmp_path / "r.csv").read_text(encoding="utf-8")
    assert len(diff(load_run(tmp_path / "r.jsonl"), result).changes) == 2


def test_a_corpus_measure_that_fails_does_not_cost_the_rows() -> None:
    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1, corpus={"share": lambda rows: 1 / 0})
    with pytest.raises(whet.EvaluationError, match="corpus measure 'share' failed: ZeroDivisionError"):
        evaluate(even)
    assert evaluate.partial is not None and evaluate.partial.score == 100.0


def test_a_devset_of_something_else_than_examples_is_refused() -> None:
    with pytest.raises(whet.InputError, match="Example 0 of the devset is 7, an int"):
        whet.Evaluate(devset=[7], metric=same, num_threads=1)(even)


def test_only_their_owner_reads_them(tmp_path: Path) -> None:
    run, kept = tmp_path / "runs" / "run.jsonl", tmp_path / "kept.jsonl"
    whet.Evaluate(devset=ROWS, metric=same, num_threads=1, stream_to=run)(even).save_jsonl(kept)
    assert run.stat().st_mode & 0o777 == kept.stat().st_mode & 0o777 == 0o600
    assert run.parent.stat().st_mode & 0o777 == 0o700


def test_another_devset_is_found_before_the_missing_rows_are_paid_for(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    lines = saved(file)
    file.write_text("".join(json.dumps(line) + "\n" for line in (lines[0], lines[4])), encoding="utf-8")  # the last example alone
    other = [*ROWS[:3], whet.Example(n=3, label=True).with_inputs("n")]
    with pytest.raises(StateError, match="example 3 differs"):
        whet.Evaluate(devset=other, metric=same, num_threads=1, stream_to=file)(even)
    assert len(load_run(file).rows) == 1  # none of the others was asked, or it would be there
