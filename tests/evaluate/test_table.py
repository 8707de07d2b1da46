"""Columns of tables and files: one thing under each name, and nothing of a row left out."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import whet
from whet.evaluate import EvaluationResult


def written(result: EvaluationResult, folder: Path) -> list[dict[str, Any]]:
    result.save_csv(folder / "rows.csv")
    result.save_json(folder / "rows.json")
    with open(folder / "rows.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    rows: list[dict[str, Any]] = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    assert [{name for name, cell in line.items() if cell} for line in lines] == [
        {n for n, v in row.items() if v not in ("", None)} for row in rows
    ]
    return rows


def right(row: Any, prediction: Any) -> bool:
    return bool(row.label == prediction.label)


def test_a_field_named_like_what_is_known_of_a_row_keeps_its_name(tmp_path: Path) -> None:
    rows = [whet.Example(n=1, status="open", cost=12, error="E7", label=1).with_inputs("n")]
    (row,) = written(whet.Evaluate(devset=rows, metric=right)(lambda n: whet.Prediction(label=1)), tmp_path)
    assert (row["status"], row["cost"], row["error"]) == ("open", 12, "E7")
    assert (row["row_status"], row["row_cost"]) == ("ok", 0.0)
    page = tmp_path / "page.html"
    whet.Evaluate(devset=rows, metric=right)(lambda n: whet.Prediction(label=1)).save_html(page)
    assert ">open</td>" in page.read_text(encoding="utf-8") and ">E7</td>" in page.read_text(encoding="utf-8")


def test_the_score_stands_in_its_own_column_where_a_program_failed(tmp_path: Path) -> None:
    """The prediction of a failed row has no field that says whose name this is."""

    def answer(row: Any, prediction: Any) -> bool:
        return right(row, prediction)

    def program(n: int) -> whet.Prediction:
        if n == 0:
            raise ValueError("no")
        return whet.Prediction(answer="yes", label=n)

    rows = [whet.Example(n=n, label=n).with_inputs("n") for n in range(2)]
    failed, fine = written(whet.Evaluate(devset=rows, metric=answer, num_threads=1)(program), tmp_path)
    assert "answer" not in failed and failed["metric_answer"] == 0.0
    assert fine["answer"] == "yes" and fine["metric_answer"] == 1.0


def test_repeats_are_told_apart(tmp_path: Path) -> None:
    rows = [whet.Example(n=n, label=1).with_inputs("n") for n in range(2)]
    result = whet.Evaluate(devset=rows, metric=right, repeats=2, num_threads=1)(lambda n: whet.Prediction(label=1))
    assert [(row["n"], row["repeat"]) for row in written(result, tmp_path)] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_names_that_meet_again_after_they_were_changed(tmp_path: Path) -> None:
    rows = [whet.Example(n=1, a="of the example", example_a="another", pred_a="third", label=1).with_inputs("n")]
    (row,) = written(whet.Evaluate(devset=rows, metric=right)(lambda n: whet.Prediction(a="of the prediction", label=1)), tmp_path)
    assert {"of the example", "another", "third", "of the prediction"} <= {str(cell) for cell in row.values()}


def test_several_metrics_speak_of_the_same_rows() -> None:
    def program(n: int) -> whet.Prediction:
        if n == 0:
            raise ValueError("no")
        return whet.Prediction(label=1)

    rows = [whet.Example(n=n, label=1).with_inputs("n") for n in range(4)]
    result = whet.Evaluate(devset=rows, metric={"a": right, "b": {"c": right}}, num_threads=1)(program)
    assert result.score == 75.0
    assert {name: part.value for name, part in result.parts.items()} == {"a": 0.75, "b": 0.75, "b.c": 0.75}


def test_files_of_many_rows_take_time_by_their_number(tmp_path: Path) -> None:
    """The page looked at all rows for each row: 10,000 of them took minutes."""
    rows = [whet.Example(n=n, label=n % 2).with_inputs("n") for n in range(4000)]
    result = whet.Evaluate(devset=rows, metric=right, num_threads=1)(lambda n: whet.Prediction(label=1))
    began = time.process_time()
    written(result, tmp_path)
    result.save_html(tmp_path / "page.html", by="label")
    assert time.process_time() - began < 5
