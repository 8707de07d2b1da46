"""`whet eval` and `whet diff`: exit status, files, and the bar that a build is held to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

SPEC = """
import os
import whet

devset = [whet.Example(n=i, label=i % 2 == 0, kind="low" if i < 5 else "high").with_inputs("n") for i in range(10)]

def program(n):
    return whet.Prediction(label=n % 2 == 0 and n < int(os.environ["GOOD"]))

def metric(example, prediction):
    return example.label == prediction.label
"""


def run(tmp_path: Path, *arguments: str, good: int = 99) -> subprocess.CompletedProcess[str]:
    import os

    env = {**os.environ, "GOOD": str(good)}
    (tmp_path / "spec.py").write_text(SPEC, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "whet.cli", *arguments], capture_output=True, text=True, check=False, env=env, cwd=tmp_path
    )


def test_the_gate_of_a_build(tmp_path: Path) -> None:
    done = run(tmp_path, "eval", "spec.py", "--save", "before.jsonl", "--html", "page.html", "--csv", "rows.csv", "--by", "kind")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("100.0 %")
    assert "kind=low: 1.000" in done.stdout
    assert (tmp_path / "page.html").exists()
    assert (tmp_path / "rows.csv").exists()
    worse = ("eval", "spec.py", "--save", "after.jsonl", "--baseline", "before.jsonl", "--junit", "out/junit.xml", "--check")
    failed = run(tmp_path, *worse, "--tolerance", "0.1", good=3)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "FAILED" in failed.stdout
    assert ElementTree.parse(tmp_path / "out" / "junit.xml").getroot().get("failures") == "1"
    assert run(tmp_path, *worse, "--tolerance", "0.5", good=3).returncode == 0
    changes = run(tmp_path, "diff", "before.jsonl", "after.jsonl")
    assert changes.returncode == 0
    assert "[4] 1 -> 0" in changes.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("eval", "nothing.py"), "'nothing.py' is not there"),
        (("eval", "spek.py"), "'spek.py' is not there; name the Python file with the `program`. Did you mean 'spec.py'?"),
        (("eval", "."), "'.' is a folder; name the Python file"),
        (("eval", "spec.py", "--check", "--min-score", "80"), "`min_score` is 80; means lie between 0 and 1: 80 % is 0.8."),
        (("eval", "spec.py", "--check", "--baseline", "spec.py"), "`whet eval --save` wrote"),
        (("eval", "spec.py", "--baseline", "nothing.jsonl"), "nothing.jsonl"),
        (("eval", "empty.py"), "`program`, `devset`, `metric`"),
        (("eval", "broken.py", "--check", "--min-score", "0"), "'broken.py' cannot be run: ZeroDivisionError"),
        (("eval", "spec.py", "--check"), "against nothing: give --min-score"),
        (("eval", "spec.py", "--by", "color"), "no field 'color'"),
        (("eval", "spec.py", "--state", "state.json"), "`program` is a function"),
        (("diff", "a.jsonl", "b.jsonl"), "a.jsonl"),
        (("eval", "spec.py", "--check", "--max-failures", "-1"), "`max_failures` is -1"),
        (("eval", "spec.py", "--check", "--baseline", "cut.jsonl"), "Line 2 of 'cut.jsonl' is no row"),
        (("eval", "spec.py", "--check", "--baseline", "other.jsonl"), "holds no example of this devset"),
        (("diff", "cut.jsonl", "cut.jsonl"), "Line 2 of 'cut.jsonl' is no row"),
        (("eval", "five.py", "--check", "--min-score", "0"), "`evaluate` in 'five.py' is an int"),
        (("eval", "measure.py", "--check", "--min-score", "0"), "The corpus measure 'm' failed"),
    ],
)
def test_what_cannot_work_is_said_and_is_no_failed_gate(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    (tmp_path / "empty.py").write_text("", encoding="utf-8")
    (tmp_path / "broken.py").write_text("1 / 0", encoding="utf-8")
    (tmp_path / "five.py").write_text("program = print\nevaluate = 5", encoding="utf-8")
    (tmp_path / "measure.py").write_text(
        SPEC + "\nevaluate = whet.Evaluate(devset=devset, metric=metric, corpus={'m': lambda rows: 1 / 0})"
    )
    header = '{"format": "whet-evaluation", "version": 1}\n'
    (tmp_path / "cut.jsonl").write_text(header + '{"index": 1}\n', encoding="utf-8")
    (tmp_path / "other.jsonl").write_text(header, encoding="utf-8")
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bar_that_cannot_be_held_is_found_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text('{"format": "whet-evaluation", "version": 1}\n', encoding="utf-8")
    for wrong in (("--min-score", "7"), ("--baseline", "nothing.jsonl"), ("--baseline", "other.jsonl"), ("--min-score", "0", "--by", "x")):
        done = run(tmp_path, "eval", "spec.py", "--check", *wrong, "--save", "rows.jsonl")
        assert done.returncode == 2 and not (tmp_path / "rows.jsonl").exists(), done.stderr


def test_an_error_that_nobody_foresaw_is_no_failed_gate(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(SPEC + "\nclass Odd(whet.Evaluate):\n    def __call__(self, *_, **__): raise RuntimeError('odd')\n"
                                     "evaluate = Odd(devset=devset, metric=metric)", encoding="utf-8")  # fmt: skip
    done = run(tmp_path, "eval", "odd.py", "--check", "--min-score", "0")
    assert done.returncode == 2 and "RuntimeError: odd" in done.stderr


def test_what_failed_is_said_with_the_outcome(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(
        SPEC.replace("return whet.Prediction", "if n > 4: raise ValueError(f'no {n}')\n    return whet.Prediction")
    )
    lines = run(tmp_path, "eval", "half.py").stdout.splitlines()
    assert lines[1] == "  program_error in example 5: ValueError: no 5"
    assert lines[-1] == "  ... and 2 more"


def test_a_build_server_comes_to_the_same_end_as_the_exit_status(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(SPEC.replace("return whet.Prediction", "if n == 3: raise ValueError(n)\n    return whet.Prediction"))
    for most, status, expected in (("1", 0, ("0", "0", "1")), ("0", 1, ("1", "1", "0"))):
        done = run(tmp_path, "eval", "half.py", "--check", "--max-failures", most, "--junit", "junit.xml")
        suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
        assert done.returncode == status and (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == expected


@pytest.mark.parametrize("option", ["--csv", "--html", "--junit"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(option: str, tmp_path: Path) -> None:
    done = run(tmp_path, "eval", "spec.py", option, ".", "--save", "rows.jsonl")
    assert done.returncode == 2 and f"`{option}` is '.', which cannot be written to" in done.stderr
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_the_outcome_is_said_though_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").symlink_to("/dev/full")
    done = run(tmp_path, "eval", "spec.py", "--csv", "rows.csv", "--html", "page.html")
    assert done.returncode == 2
    assert "95 % interval" in done.stdout and "--csv could not be written" in done.stderr and "No space left" in done.stderr
    assert (tmp_path / "page.html").exists()
