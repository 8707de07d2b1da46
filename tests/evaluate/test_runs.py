"""Rows on disk: a killed evaluation goes on, two runs are compared row by row, and a gate holds them to a bar."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import whet
from whet.errors import ConfigurationError, InputError, StateError
from whet.evaluate import check, compare, corpus_f1, diff, load_run
from whet.evaluate.gate import write_junit
from whet.testing import ScriptedLM

ROWS = [whet.Example(n=i, label=i % 2 == 0, kind="even" if i % 2 == 0 else "odd").with_inputs("n") for i in range(20)]


def same(row: whet.Example, prediction: whet.Prediction, trace: Any = None) -> bool:
    return bool(row.label == prediction.label)


def even(n: int) -> whet.Prediction:
    return whet.Prediction(label=n % 2 == 0)


def always(n: int) -> whet.Prediction:
    return whet.Prediction(label=True)


# -- streaming and going on ------------------------------------------------------------------------------------------------


def test_an_interrupted_evaluation_goes_on_without_a_repeated_call(tmp_path: Path) -> None:
    calls: list[int] = []
    stop = {"at": 7}

    class Program(whet.Module):
        def forward(self, n: int) -> whet.Prediction:
            if n == stop["at"]:
                raise KeyboardInterrupt
            calls.append(n)
            return even(n)

    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1, stream_to=tmp_path / "rows.jsonl")
    with pytest.raises(KeyboardInterrupt):
        evaluate(Program())
    stop["at"] = -1
    result = evaluate(Program())
    assert calls == list(range(20))
    assert result.score == 100.0
    assert [row.index for row in result.rows] == list(range(20))
    evaluate(Program())
    assert len(calls) == 20


def test_a_killed_process_loses_only_the_row_it_was_in(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time
        import whet
        rows = [whet.Example(n=i, label=1).with_inputs("n") for i in range(40)]
        class Program(whet.Module):
            def forward(self, n):
                with open(sys.argv[1] + "/calls", "a", encoding="utf-8") as file:
                    file.write(f"{n}\\n")
                time.sleep(0.01)
                return whet.Prediction(label=1)
        def metric(row, prediction):
            return row.label == prediction.label
        result = whet.Evaluate(devset=rows, metric=metric, num_threads=1, stream_to=sys.argv[1] + "/rows.jsonl")(Program())
        print(result.score, len(result.rows))
        """),
        encoding="utf-8",
    )
    first = subprocess.Popen([sys.executable, str(script), str(tmp_path)])
    calls = tmp_path / "calls"
    while not calls.exists() or len(calls.read_text(encoding="utf-8").splitlines()) < 10:
        assert first.poll() is None
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    first.wait()
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"key": "half a line')  # what a kill in the middle of a write leaves
    finished = {json.loads(line)["index"] for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()[1:-1]}
    before = len(calls.read_text(encoding="utf-8").splitlines())
    second = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=True)
    assert second.stdout.split() == ["100.0", "40"]
    again = [int(line) for line in calls.read_text(encoding="utf-8").splitlines()[before:]]
    assert finished.isdisjoint(again)
    assert len(again) == 40 - len(finished)


def test_rows_of_another_program_metric_or_devset_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    whet.Evaluate(devset=ROWS[:3], metric=same, num_threads=1, stream_to=file)(even)
    with pytest.raises(StateError, match="another evaluation: its program"):
        whet.Evaluate(devset=ROWS[:3], metric=same, num_threads=1, stream_to=file)(always)
    with pytest.raises(StateError, match="another devset: example 0 differs"):
        whet.Evaluate(devset=ROWS[3:6], metric=same, num_threads=1, stream_to=file)(even)


def test_failures_of_the_network_are_tried_again(tmp_path: Path) -> None:
    down = {"now": True}

    def answer(request: Any) -> Any:
        return whet.LMServerError("down") if down["now"] else {"label": True}

    program = whet.Predict("n: int -> label: bool")
    evaluate = whet.Evaluate(devset=ROWS[::2], metric=same, num_threads=1, max_errors=99, stream_to=tmp_path / "r.jsonl")
    with whet.context(lm=ScriptedLM(answer)):
        assert evaluate(program).statuses == {"infra_error": 10}
        down["now"] = False
        assert evaluate(program).statuses == {"ok": 10}
    assert load_run(tmp_path / "r.jsonl").score == 100.0


# -- repeats, several metrics, corpus measures, slices ------------------------------------------------------------------------


def test_repeats_get_fresh_answers_and_are_no_new_examples() -> None:
    lm = ScriptedLM(lambda request: {"label": request.rollout_id is None}, cache=True)
    program = whet.Predict("n: int -> label: bool")
    with whet.context(lm=lm):
        result = whet.Evaluate(devset=ROWS[:10], metric=lambda r, p: p.label, num_threads=2, repeats=3)(program)
    assert lm.calls == 30
    assert sorted({request.rollout_id or 0 for request in lm.requests}) == [0, 1, 2]
    assert [(row.index, row.repeat) for row in result.rows[:4]] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert result.score == pytest.approx(33.33)
    assert result.mean is not None
    assert result.mean.n == 10
    bound = program.deepcopy()
    bound.lm = lm
    whet.Evaluate(devset=ROWS[10:12], metric=lambda r, p: p.label, num_threads=1, repeats=2)(bound)
    assert lm.requests[-1].rollout_id == 1


def test_several_metrics_in_one_pass() -> None:
    calls: list[int] = []

    def program(n: int) -> whet.Prediction:
        calls.append(n)
        return always(n)

    def positive(row: Any, prediction: Any) -> float:
        return 0.5

    result = whet.Evaluate(devset=ROWS, metric={"right": same, "half": positive}, num_threads=1)(program)
    assert len(calls) == 20
    assert result.score == 50.0
    assert {name: estimate.value for name, estimate in result.parts.items()} == {"right": 0.5, "half": 0.5}
    listed = whet.Evaluate(devset=ROWS, metric=[positive, same], num_threads=1)(even)
    assert set(listed.parts) == {"positive", "same"}
    with pytest.raises(ConfigurationError, match="same name"):
        whet.Evaluate(devset=ROWS, metric=[same, same])(even)


def label_f1(rows: Any) -> Any:
    return corpus_f1([row.example.label for row in rows], [row.prediction.label for row in rows], positive=True)


def test_corpus_measures_and_objectives_of_whole_programs() -> None:
    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1, corpus={"f1": label_f1})
    result = evaluate(always)
    assert result.score == 50.0
    assert float(result.corpus["f1"]) == pytest.approx(2 / 3)
    assert evaluate.objective("f1")(always) == pytest.approx(2 / 3)
    assert evaluate.objective()(always) == 0.5
    with pytest.raises(ConfigurationError, match="corpus measure 'f2'"):
        evaluate.objective("f2")


def test_slices_by_field_by_function_and_by_tag() -> None:
    result = whet.Evaluate(devset=ROWS, metric=same, num_threads=1)(always)
    by_kind = result.slices("kind")
    assert {name: estimate.value for name, estimate in by_kind.items()} == {"even": 1.0, "odd": 0.0}
    assert result.slices(lambda row: row.n < 5)[True].n == 5
    assert result.slices(lambda row: ["all", row.kind])["all"].n == 20


def test_a_page_of_html_with_what_models_write_in_it(tmp_path: Path) -> None:
    row = whet.Example(text="<script>alert(1)</script>", label="x").with_inputs("text")
    result = whet.Evaluate(devset=[row], metric=lambda r, p: True, num_threads=1)(lambda text: whet.Prediction(label=text))
    result.save_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "100.0 %" in page


# -- two runs, and the gate ------------------------------------------------------------------------------------------------


def test_the_difference_of_two_runs_row_by_row(tmp_path: Path) -> None:
    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1)
    evaluate(even).save_jsonl(tmp_path / "before.jsonl")
    before, after = load_run(tmp_path / "before.jsonl"), evaluate(always, devset=ROWS[2:])
    changes = diff(before, after)
    assert len(changes.changes) == 18
    assert [c.index for c in changes.worsened] == list(range(1, 18, 2))
    assert changes.improved == []
    assert len(changes.only_before) == 2
    assert changes.comparison is not None
    assert changes.comparison.reliable
    assert "before is better than after" in str(changes)
    with pytest.raises(InputError, match="No example is in both"):
        diff(evaluate(even, devset=ROWS[:1]), evaluate(even, devset=ROWS[1:]))


def test_the_gate(tmp_path: Path) -> None:
    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1)
    good, bad = evaluate(even), evaluate(always)
    assert check(good, baseline=bad, min_score=0.9).passed
    assert check(bad, baseline=good, tolerance=0.5).passed
    gate = check(bad, baseline=good, tolerance=0.1, min_score=0.9)
    assert not gate.passed
    assert len(gate.reasons) == 2
    write_junit(gate, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("21", "1", "0")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "fell by 0.5000" in str(failure.text)
    assert failure.get("type") == "gate" and all(case.get("time") for case in suite.iter("testcase"))
    with pytest.raises(ConfigurationError, match="tolerance"):
        check(good, tolerance=-1)


def test_the_gate_counts_failed_rows_and_never_passes_an_interrupted_run(tmp_path: Path) -> None:
    def broken(n: int) -> whet.Prediction:
        if n == 3:
            raise ValueError("control \x00 character")
        return even(n)

    result = whet.Evaluate(devset=ROWS, metric=same, num_threads=1)(broken)
    gate = check(result, max_failures=0)
    assert gate.reasons == ("1 row failed; at most 0 may.",)
    write_junit(gate, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    error = suite.find("testcase/error")
    assert suite.get("errors") == "1" and error is not None and error.text == error.get("message")  # servers show the one or the other
    assert not check(whet.EvaluationResult(result.rows, complete=False)).passed


def test_the_column_of_the_score_is_named_after_the_metric(tmp_path: Path) -> None:
    def exact(example: Any, prediction: Any) -> whet.Score:
        return whet.Score(value=1.0, feedback="fine", parts={"length": 0.5, "label": 0.25})

    rows = [whet.Example(text=str(i), label="x").with_inputs("text") for i in range(2)]
    result = whet.Evaluate(devset=rows, metric=exact, num_threads=1)(lambda text: whet.Prediction(answer=text))
    assert result.metric == "exact"
    result.save_json(tmp_path / "r.json")
    first = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))[0]
    assert (first["exact"], first["length"], first["label"], first["metric_label"], first["feedback"]) == (1.0, 0.5, "x", 0.25, "fine")
    assert result.table().splitlines()[0].split()[:5] == ["text", "label", "answer", "exact", "length"]
    result.save_jsonl(tmp_path / "r.jsonl")
    assert load_run(tmp_path / "r.jsonl").metric == "exact"
    several = whet.Evaluate(devset=rows, metric={"long": lambda e, p: 0.0, "short": lambda e, p: 1.0}, num_threads=1)
    several(lambda text: whet.Prediction(answer=text), save_as_csv=tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["long"] == "0.0"


# Signs that Python takes for the end of a line and JSON does not; half a character, which no file in UTF-8 holds; a control character.
NASTY = "a\u2028b\x85c\x0cd", "half \ud800", "nul \x00"


@pytest.mark.parametrize("text", NASTY)
def test_answers_of_any_kind_are_written_and_read_again(tmp_path: Path, text: str) -> None:
    calls = []

    def program(n: int) -> whet.Prediction:
        calls.append(n)
        return whet.Prediction(label=text)

    evaluate = whet.Evaluate(devset=ROWS[:3], metric=same, num_threads=1, stream_to=tmp_path / "rows.jsonl")
    result = evaluate(program)
    assert evaluate(program).score == result.score and len(calls) == 3
    result.save_jsonl(tmp_path / "again.jsonl")
    for file in ("rows.jsonl", "again.jsonl"):
        assert [row.prediction.label for row in load_run(tmp_path / file).rows] == [text] * 3
    for kind in ("csv", "json", "html"):
        getattr(result, f"save_{kind}")(tmp_path / f"rows.{kind}")
    assert json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))[0]["pred_label"] == text
    write_junit(check(result), tmp_path / "junit.xml")
    ElementTree.parse(tmp_path / "junit.xml")


def test_a_run_that_is_under_way_can_be_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    whet.Evaluate(devset=ROWS[:3], metric=same, num_threads=1, stream_to=file)(even)
    with file.open("a", encoding="utf-8") as open_file:
        open_file.write('{"key": "half a line')
    assert len(load_run(file).rows) == 3


def test_rows_of_an_edited_program_or_metric_are_refused(tmp_path: Path) -> None:
    def evaluate(name: str, body: str, judge: str = "return example.label == prediction.label") -> whet.EvaluationResult:
        space: dict[str, Any] = {"whet": whet}
        exec(f"def program(n):\n    {body}\ndef metric(example, prediction):\n    {judge}", space)
        exec(f"class Program(whet.Module):\n    def forward(self, n):\n        {body}", space)
        return whet.Evaluate(devset=ROWS[:3], metric=space["metric"], num_threads=1, stream_to=tmp_path / name)(
            space["program"] if name == "program" else space["Program"]()
        )

    body = "return whet.Prediction(label=n % 2 == 0)"
    for name in ("program", "Program"):
        evaluate(name, body)
        assert evaluate(name, body + "  # a remark").score == 100.0
        with pytest.raises(StateError, match="its program"):
            evaluate(name, body.replace("== 0", "== 1"))
        with pytest.raises(StateError, match="its metric"):
            evaluate(name, body, judge="return example.label != prediction.label")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"num_threads": -1}, "`num_threads` is -1"), ({"timeout": -1}, "`timeout`"), ({"max_errors": -1}, "`max_errors`")],
)
def test_options_that_cannot_be_meant(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        whet.Evaluate(devset=ROWS, metric=same, **wrong)(even)


def test_what_is_no_program_no_devset_and_no_slice() -> None:
    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1)
    with pytest.raises(ConfigurationError, match="The program is None"):
        evaluate(None)
    with pytest.raises(ConfigurationError, match="`devset` is a generator"):
        evaluate(even, devset=(row for row in ROWS))
    with pytest.raises(InputError, match="no field 'color' to make slices by; it has: n"):
        evaluate(even).slices("color")


def test_two_evaluations_are_compared_over_their_examples() -> None:
    evaluate = whet.Evaluate(devset=ROWS[:8], metric=same, num_threads=1, repeats=5)
    before, after = evaluate(always), evaluate(even)
    few = compare(before, after, names=("always", "even"))
    assert few.n == 8 and few.effect.value == 0.5 and not few.reliable  # four wins to none: p=0.125, however often they are repeated
    changes = diff(before, after)
    assert changes.comparison is not None and changes.comparison.n == 8 and len(changes.changes) == 40
    evaluate = whet.Evaluate(devset=ROWS, metric=same, num_threads=1, repeats=5)
    found = compare(evaluate(always), evaluate(even), names=("always", "even"))
    assert found.n == 20 and found.effect.value == 0.5 and found.verdict.startswith("even is better than always")


def test_a_failed_row_stands_in_the_columns_of_the_others(tmp_path: Path) -> None:
    def program(n: int) -> whet.Prediction:
        if n == 1:
            raise ValueError("<b>down</b>")
        return even(n)

    result = whet.Evaluate(devset=ROWS[:3], metric={"same": same, "other": lambda row, pred: 0.5}, num_threads=1)(program)
    result.save_csv(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert "label" not in rows[0] and [row["example_label"] for row in rows] == ["True", "False", "True"] and rows[1]["pred_label"] == ""
    result.save_html(tmp_path / "rows.html")
    page = (tmp_path / "rows.html").read_text(encoding="utf-8")
    assert "other: 0.333" in page and "&lt;b&gt;down&lt;/b&gt;" in page and "<b>down" not in page


def test_runs_of_shuffled_shortened_and_doubled_devsets_find_each_other() -> None:
    def run(rows: list[whet.Example], repeats: int = 1) -> Any:
        return whet.Evaluate(devset=rows, metric=same, num_threads=1, repeats=repeats)(even)

    rows = [*ROWS[:4], ROWS[0]]
    before, after = run(rows), run(rows[::-1])
    assert compare(before, after).n == 5 and not diff(before, after).worsened
    fewer, more = diff(run(rows[1:4]), before), diff(before, run(rows, repeats=2))
    assert (len(fewer.changes), len(fewer.only_after), len(fewer.only_before)) == (3, 2, 0)
    assert (len(more.changes), len(more.only_after), more.comparison and more.comparison.n) == (5, 5, 5)
    assert all(change.before.repeat == change.after.repeat == 0 for change in more.changes)
    with pytest.raises(whet.InputError, match="No example counts in both"):
        compare(before, run([whet.Example(n=9, label=True).with_inputs("n")]))


def test_a_tag_that_is_there_twice_counts_once() -> None:
    rows = [whet.Example(n=n, label=n % 2 == 0, tags=tags).with_inputs("n") for n, tags in enumerate((["a", "a"], frozenset("ab")))]
    slices = whet.Evaluate(devset=rows, metric=same, num_threads=1)(even).slices("tags")
    assert {tag: estimate.n for tag, estimate in slices.items()} == {"a": 2, "b": 1}


def test_failures_of_the_network_lower_no_measure_of_the_corpus_and_no_objective() -> None:
    def program(n: int) -> whet.Prediction:
        if n in down:
            raise whet.LMError("unavailable")
        return even(n)

    measures = {
        "f1": lambda rows: corpus_f1([row.example.label for row in rows], [row.prediction.get("label") for row in rows]),
        "rows": len,
        "kinds": lambda rows: {"even": len(rows)},
    }
    evaluate = whet.Evaluate(devset=ROWS[:6], metric=same, num_threads=1, corpus=measures, max_errors=99)
    down = {1, 2}
    result = evaluate(program)
    assert float(result.corpus["f1"]) == 1.0 and result.corpus["rows"] == 4
    with pytest.raises(whet.EvaluationError, match="the corpus measure 'kinds' is {'even': 4}"):
        evaluate.objective("kinds")(program)
    down = set(range(6))
    with pytest.raises(whet.EvaluationError, match=r"gives no number: 0\.0 % \(no row counts\)"):
        whet.Evaluate(devset=ROWS[:6], metric=same, num_threads=1, max_errors=99).objective()(program)


def test_slices_by_what_cannot_be_a_key(tmp_path: Path) -> None:
    rows = [whet.Example(n=n, label=True, of=of).with_inputs("n") for n, of in enumerate(({"a": 1}, [{"a": 1}, ["b"]], "c"))]
    result = whet.Evaluate(devset=rows, metric=same, num_threads=1)(even)
    assert {name: estimate.n for name, estimate in result.slices("of").items()} == {"{'a': 1}": 2, "['b']": 1, "c": 1}
    result.save_html(tmp_path / "page.html", by="of")
