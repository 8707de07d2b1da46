"""Who is told of what, and what a watcher costs that does not listen to it."""

from __future__ import annotations

from typing import Any

import whet
from whet.core.events import ACTIVE_CALL_ID, BaseCallback, handlers_of
from whet.core.exchange import Request


class Answers(whet.BaseLM):
    """Answers every question with the same label, and notes the call that it is a part of."""

    def __init__(self) -> None:
        super().__init__("answers")
        self.inside: list[str | None] = []

    def complete(self, request: Request) -> str:
        self.inside.append(ACTIVE_CALL_ID.get())
        return "[[ ## label ## ]]\nyes\n\n[[ ## completed ## ]]"


class OnlyEvaluations(BaseCallback):
    """Listens to evaluations and to nothing else."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_evaluate_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
        self.told.append("evaluate")


class Everything(BaseCallback):
    """Listens to models and formats."""

    def __init__(self) -> None:
        self.formats: list[Any] = []
        self.asked: list[Any] = []

    def on_adapter_format_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
        self.formats.append(outputs)

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.asked.append(inputs["messages"])


def test_a_watcher_of_evaluations_is_no_listener_to_calls_of_models() -> None:
    watcher = OnlyEvaluations()
    with whet.context(callbacks=[watcher]):
        assert handlers_of(None) == (watcher,)
        assert handlers_of(None, "evaluate") == (watcher,)
        assert [kind for kind in ("module", "lm", "adapter_format", "adapter_parse", "tool") if handlers_of(None, kind)] == []


def test_a_method_put_on_one_object_and_a_handler_of_another_kind_are_heard() -> None:
    late = OnlyEvaluations()
    late.on_lm_start = lambda **_: None  # type: ignore[attr-defined]

    class Foreign:
        def on_lm_start(self, **_: Any) -> None:
            """Nothing of ours is its base."""

    foreign = Foreign()
    with whet.context(callbacks=[late, foreign]):
        assert handlers_of(None, "lm") == (late, foreign)
        assert handlers_of(None, "module") == (foreign,)  # it is told, and what it lacks is in the log, as before


def test_calls_have_ids_for_whoever_asks_though_nobody_listens_to_them() -> None:
    lm, watcher = Answers(), OnlyEvaluations()
    program = whet.Predict("text -> label")
    with whet.context(lm=lm, callbacks=[watcher]):
        assert program(text="good").label == "yes"
        rows = [whet.Example(text="a", label="yes").with_inputs("text")]
        assert whet.Evaluate(devset=rows, metric=lambda row, prediction: row.label == prediction.label)(program).score == 100
    assert all(lm.inside) and len(set(lm.inside)) == 2
    assert watcher.told == ["evaluate"]


def test_one_listener_among_many_is_told_of_all_that_it_listens_to() -> None:
    watcher, listener = OnlyEvaluations(), Everything()
    with whet.context(lm=Answers(), callbacks=[watcher, listener]):
        whet.Predict("text -> label")(text="good")
    assert [message["role"] for message in listener.formats[0]] == ["system", "user"]
    assert listener.asked == listener.formats
