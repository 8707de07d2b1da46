"""Answers that are programs, judged by running their tests in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from whet.core.records import Score
from whet.errors import CodeExecutionError, CodeInterpreterError, ConfigurationError

__all__ = ["code_passes", "passed_tests"]

_SHOWN = 3
_SECONDS: Final = 5.0


def code_passes(
    example: Any,
    pred: Any,
    trace: Any = None,
    field: str = "code",
    tests: str = "tests",
    interpreter_factory: Callable[[], Any] | None = None,
) -> Score:
    """Metric: the share of `example.tests` that `pred.code` passes, each run by itself in a fresh sandbox (see `passed_tests`).

    The tests are a text of Python, or a list of such texts; each has 5 seconds, unless `interpreter_factory` makes another sandbox. `field`
    and `tests` name other fields: `partial(code_passes, field="program")`. Raises `ConfigurationError` where the example has no tests.

    >>> from whet.core.records import Example, Prediction
    >>> row = Example(task="Double a number.", tests=["assert double(2) == 4", "assert double(-1) == -2"])
    >>> score = code_passes(row, Prediction(code="def double(x):\\n    return x * x"))
    >>> score.value, score.feedback
    (0.5, "1 of 2 tests passed. `assert double(-1) == -2`: AssertionError: ['assert 1 == -2']")
    """
    if tests not in example:
        raise ConfigurationError(f"This metric needs the label `{tests}`, but the example has: {', '.join(example.keys()) or 'no fields'}.")
    given = example[tests]
    return passed_tests(str(pred[field]), [given] if isinstance(given, str) else list(given), interpreter_factory)


def passed_tests(code: str, tests: Sequence[str], interpreter_factory: Callable[[], Any] | None = None) -> Score:
    """The share of `tests` that run without an error after `code`, each in a fresh sandbox, so that none can spoil another.

    A code fence around the code is looked through. The feedback names the first tests that failed, and why. A test is passed when its end
    is reached: code that ends the run before, with `SUBMIT` or the end of its process, has failed. A sandbox that cannot run raises
    `CodeInterpreterError`: that is nobody's wrong answer.

    >>> passed_tests("```python\\nx = 1\\n```", ["assert x == 1"]).value
    1.0
    """
    if not tests:
        raise ConfigurationError("There are no tests to run.")
    failed = [(test, why) for test in tests if (why := _failure(code, test, interpreter_factory)) is not None]
    shown = "; ".join(f"`{' '.join(test.split())}`: {why}" for test, why in failed[:_SHOWN])
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    passed = len(tests) - len(failed)
    return Score(value=passed / len(tests), feedback=f"{passed} of {len(tests)} tests passed." + (f" {shown}{more}" if shown else ""))


def _failure(code: str, test: str, interpreter_factory: Callable[[], Any] | None) -> str | None:
    """Why a test failed; `None` where it passed."""
    from whet.modules.code_running import code_in, interpreter_for  # noqa: PLC0415 - only metrics of this kind need a sandbox
    from whet.sandbox import FinalOutput, PythonInterpreter  # noqa: PLC0415 - as above

    factory = interpreter_factory or (lambda: PythonInterpreter(timeout=_SECONDS))
    with interpreter_for(None, factory) as sandbox:
        try:
            result = sandbox.execute(f"{code_in(code)}\n{test}")
        except CodeExecutionError as error:
            return " ".join(str(error).split())
        except SyntaxError as error:
            return f"SyntaxError: {error.msg}"
        except CodeInterpreterError:
            with interpreter_for(None, factory) as fresh:
                fresh.execute("pass")  # raises where no code can run; here it can, so it was this code that ended the last one
            return "the code ended the sandbox it ran in"
    return "the code ended the run before the test was through" if isinstance(result, FinalOutput) else None
