"""The contract that every optimizer keeps: subclass `OptimizerContract` in your tests and pytest runs it against yours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from whet.core.context import context
from whet.core.records import Example
from whet.core.trace import History
from whet.errors import WhetError
from whet.lm.lm import LM
from whet.modules.module import Module
from whet.modules.predict import Predict

__all__ = ["OptimizerContract"]

WORDS = ("red", "green", "blue", "black")
PLACES = 4


class OptimizerContract:
    """Give `make_optimizer`; every test compiles a small program with it.

    The model is the embedded one, which needs nothing, unless `make_lm` gives another; `make_program`, `make_rows` and `metric` may be
    overridden with it. `needs_metric` says whether the optimizer looks at the metric that it is given.

    >>> import whet
    >>> class TestLabeled(OptimizerContract):
    ...     needs_metric = False
    ...     def make_optimizer(self, metric, **options):
    ...         return whet.LabeledFewShot(k=4, **options)
    >>> TestLabeled().test_the_student_stays_as_it_is()  # pytest runs this one and all others
    """

    needs_metric: bool = True

    def make_optimizer(self, metric: Any, **options: Any) -> Any:
        """The optimizer with this metric and these common options (`run_dir`, `max_calls`, `num_threads`, ...)."""
        raise NotImplementedError

    def make_lm(self) -> Any:
        """A model without a cache that answers the same for the same prompt."""
        return LM("embedded")

    def make_program(self) -> Any:
        """A program for the rows."""
        return Predict("text -> colour", temperature=0.0)

    def make_rows(self, n: int, start: int = 0) -> list[Example]:
        """Different rows, each with its label."""
        numbers = range(start, start + n)
        return [Example(text=f"coat {i} is {WORDS[i % 4]}", colour=WORDS[i % 4]).with_inputs("text") for i in numbers]

    def metric(self, example: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> float:
        """Whether the label was found."""
        return float(prediction.colour == example.colour)

    def compiled(self, student: Any = None, **options: Any) -> tuple[Any, Any, int]:
        """A result, its optimizer, and how many calls of models were made, on a few threads."""
        history = History()
        with context(lm=self.make_lm(), history=history):
            optimizer = self.make_optimizer(options.pop("metric", self.metric), **{"hedge": False, "num_threads": PLACES, **options})
            result = optimizer.compile(student or self.make_program(), trainset=self.make_rows(24), valset=self.make_rows(16, start=100))
        return result, optimizer, sum(not entry.response.cache_hit for entry in history if entry.response is not None)

    def test_the_student_stays_as_it_is(self) -> None:
        """The result is another program of the same type."""
        student = self.make_program()
        before = student.dump_state()
        result, optimizer, _ = self.compiled(student)
        assert student.dump_state() == before and not student._compiled
        assert result is not student and type(result) is type(student) and result._compiled == optimizer.freezes

    def test_what_was_done_and_spent_is_on_record(self) -> None:
        """`run` has candidates, why it ended, and every call."""
        result, optimizer, calls = self.compiled()
        assert result.run is optimizer.run and optimizer.run.candidates
        assert optimizer.run.stop_reason not in ("", "running")
        assert calls <= optimizer.run.spend.calls <= calls + PLACES  # what is under way at the end is counted, and answered to nobody

    def test_the_same_seed_decides_the_same(self) -> None:
        """Also with one thread, and from async code with an async metric."""

        async def metric(example: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
            await asyncio.sleep(0)
            return self.metric(example, prediction)

        async def main() -> Any:
            with context(lm=self.make_lm()):
                optimizer = self.make_optimizer(metric, hedge=False)
                rows = self.make_rows(24), self.make_rows(16, start=100)
                return await optimizer.acompile(self.make_program(), trainset=rows[0], valset=rows[1])

        states = [self.compiled()[0].dump_state(), self.compiled(num_threads=1)[0].dump_state(), asyncio.run(main()).dump_state()]
        assert states[0] == states[1] == states[2]

    def test_a_journal_pays_nothing_twice(self, tmp_path: Any) -> None:
        """A finished run is not run again, and gives the same program."""
        first, _, paid = self.compiled(run_dir=tmp_path)
        again, optimizer, calls = self.compiled(run_dir=tmp_path)
        assert calls == 0 and optimizer.run.spend.calls >= paid
        assert again.dump_state() == first.dump_state()

    def test_a_cap_on_calls_holds(self) -> None:
        """Only calls under way at the end may pass it, and the best so far comes back."""
        student = self.make_program()
        result, _, calls = self.compiled(student, max_calls=10)
        assert type(result) is type(student) and calls <= 10 + PLACES

    def test_rows_to_judge_by_are_no_demos(self) -> None:
        """Nothing of the valset stands in the program."""
        result, _, _ = self.compiled()
        judged = {row.text if "text" in row else next(iter(row.inputs().values())) for row in self.make_rows(16, start=100)}
        shown = [value for predictor in result.predictors() for demo in predictor.demos for value in dict(demo).values()]
        assert not judged & {value for value in shown if isinstance(value, str)}

    def test_a_result_can_be_saved_and_loaded(self, tmp_path: Any) -> None:
        """As any program."""
        result, _, _ = self.compiled()
        result.save(tmp_path / "program.json")
        loaded = self.make_program()
        loaded.load(tmp_path / "program.json")
        assert loaded.dump_state() == result.dump_state()

    def test_bad_input_is_found_before_it_costs(self) -> None:
        """A program without predictors, rows that are none, an option that nobody knows, a metric that asks for what no row has."""

        def broken(example: Any, prediction: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> float:
            return float(example.no_such_field == prediction)

        history, rows = History(), self.make_rows(24)
        tries: list[Callable[[], Any]] = [
            lambda: self.make_optimizer(self.metric).compile(Module(), trainset=rows),
            lambda: self.make_optimizer(self.metric).compile(self.make_program(), trainset=[{"text": "x"}] * 24),
            lambda: self.make_optimizer(self.metric, no_such_option=1),
        ]
        if self.needs_metric:
            tries.append(lambda: self.make_optimizer(broken).compile(self.make_program(), trainset=rows))
        with context(lm=self.make_lm(), history=history):
            assert [_refused(attempt) for attempt in tries] == [True] * len(tries)
        assert len(history) == 0


def _refused(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except WhetError:
        return True
    return False
