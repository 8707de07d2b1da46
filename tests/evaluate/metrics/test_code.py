"""Programs as answers: their tests decide, and nothing they do reaches the host."""

from __future__ import annotations

from functools import partial

import pytest

import whet
from whet.errors import ConfigurationError
from whet.evaluate.metrics import code_passes, passed_tests
from whet.sandbox import check_backends

ready = {status.name: status.ready for status in check_backends()}["bubblewrap"]
needs_bubblewrap = pytest.mark.skipif(not ready, reason="bubblewrap cannot start here: apt install bubblewrap")

TESTS = ["assert double(2) == 4", "assert double(-1) == -2"]


@pytest.mark.parametrize(
    ("code", "value", "says"),
    [
        ("def double(x):\n    return 2 * x", 1.0, "2 of 2 tests passed."),
        ("Here it is:\n```python\ndef double(x):\n    return x * x\n```", 0.5, "AssertionError"),
        ("def double(x:", 0.0, "SyntaxError"),
        ("def double(x):\n    return twice(x)", 0.0, "NameError"),
        ("```java\nint x;\n```", 0.0, "its fence says `java`"),
        ("open('/etc/passwd')", 0.0, "Error"),
        ("double = None", 0.0, "TypeError"),
    ],
)
def test_the_share_of_passed_tests_is_the_score(code: str, value: float, says: str) -> None:
    score = passed_tests(code, TESTS)
    assert score.value == value
    assert says in score.feedback


def test_what_runs_for_ever_has_failed() -> None:
    score = passed_tests("while True:\n    pass", ["pass"], partial(whet.PythonInterpreter, timeout=0.2))
    assert score.value == 0.0
    assert "longer than" in score.feedback


def test_one_test_cannot_spoil_another() -> None:
    assert passed_tests("x = [1]", ["x.clear()", "assert x == [1]"]).value == 1.0


def test_it_is_a_metric_of_evaluate() -> None:
    rows = [whet.Example(task="double", program_tests=t).with_inputs("task") for t in (TESTS, TESTS[0])]
    metric = partial(code_passes, field="program", tests="program_tests")
    result = whet.Evaluate(devset=rows, metric=metric, num_threads=2)(lambda task: whet.Prediction(program="def double(x): return x * x"))
    assert result.score == 75.0
    assert result.rows[0].score.feedback.startswith("1 of 2 tests passed.")


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigurationError, match="needs the label `tests`, but the example has: task"):
        code_passes(whet.Example(task="x"), whet.Prediction(code="x = 1"))
    with pytest.raises(ConfigurationError, match="no tests"):
        passed_tests("x = 1", [])


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("SUBMIT('done')", "ended the run before the test was through"),
        pytest.param("import os\nos._exit(0)", "ended the sandbox it ran in", marks=needs_bubblewrap),
        pytest.param("import sys\nsys.exit(0)", "SystemExit", marks=needs_bubblewrap),
    ],
)
def test_code_that_ends_before_its_test_has_failed(code: str, says: str) -> None:
    score = passed_tests(code, ["assert False"])
    assert score.value == 0.0 and says in score.feedback


def test_a_sandbox_that_cannot_run_is_nobodys_wrong_answer() -> None:
    class Broken(whet.PythonInterpreter):
        def execute(self, *_: object, **__: object) -> object:
            raise whet.CodeInterpreterError("no sandbox here")

    with pytest.raises(whet.CodeInterpreterError):
        passed_tests("x = 1", ["assert x"], Broken)
