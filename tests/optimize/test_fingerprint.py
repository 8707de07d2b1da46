"""What decides what a program does decides its fingerprint, and nothing else does."""

from __future__ import annotations

import functools
import logging
import random
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

import whet
from whet.optimize.candidate import Candidate, row_hash
from whet.optimize.fingerprint import Unstable, fingerprint
from whet.retrieve import BM25, Embeddings
from whet.testing.scripted import ScriptedLM

logger = logging.getLogger(__name__)
LIMIT = 3


def helper(text: str) -> str:
    return text.lower()


def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
    logger.debug("judged")
    return helper(example.answer) == prediction.answer and LIMIT > 2


class Two(whet.Module):
    def __init__(self, k: int = 3) -> None:
        super().__init__()
        self.first, self.second = whet.Predict("question -> hint"), whet.ChainOfThought("question, hint -> answer")
        self.k, self.lock = k, threading.Lock()
        self.how = whet.Param("short", choices=["short", "long"])

    def forward(self, question: str) -> Any:
        return self.second(question=question, hint=self.first(question=question).hint)


def of(program: Any) -> bytes:
    return fingerprint(program, "program", learnt=program.predictors())


def defined(source: str, **names: Any) -> Any:
    """The last thing that a text defines, as if it had been written in a file of the user's."""
    space: dict[str, Any] = {"__name__": "users_own", "whet": whet, **names}
    exec(source, space)
    return list(space.values())[-1]


def test_copies_and_learnt_parts_make_no_difference() -> None:
    program = Two()
    learnt = program.bind({"first": program.first.param.evolve(instructions="Other.", demos=({"question": "a", "hint": "b"},))})
    assert of(program) == of(Two()) == of(program.deepcopy()) == of(learnt)
    assert of(program) != of(Two(k=4))


METRIC = "def f(example, prediction, trace=None):\n    return example.a == prediction.a\n"
HELPED = "def g(x): return x.strip()\ndef f(example, prediction): return g(example.a) == prediction.a\n"
PROGRAM = """
class P(whet.Module):
    def __init__(self):
        self.ask = whet.Predict("q -> a")
    def forward(self, q):
        return self.ask(q=q)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (METRIC, METRIC.replace("==", "!=")),
        (METRIC, METRIC.replace("trace=None", "trace=1")),
        (HELPED, HELPED.replace("strip", "lower")),
        ("LIMIT = 1\ndef f(e, p): return LIMIT\n", "LIMIT = 2\ndef f(e, p): return LIMIT\n"),
        ("def f(e, p): return [1 for x in e if x == 'a']\n", "def f(e, p): return [1 for x in e if x == 'b']\n"),
        (PROGRAM + "p = P()", PROGRAM.replace("q=q", "q=q.strip()") + "p = P()"),
        (PROGRAM + "p = P()", PROGRAM.replace("q -> a", "q -> a: int") + "p = P()"),
        (PROGRAM + "class R(P): pass\np = R()", PROGRAM.replace("q=q", "q=q.strip()") + "class R(P): pass\np = R()"),
        ("p = whet.Predict('q -> a')", "p = whet.ChainOfThought('q -> a')"),
        ("p = whet.Predict('q -> a')", "p = whet.Predict('q -> a', temperature=0.5)"),
        ("p = whet.Predict('q -> a')", "p = whet.Predict('q -> a', adapter=whet.JSONAdapter())"),
        ("def t(x): 'One.'\np = whet.ReAct('q -> a', tools=[t])", "def t(x): 'One.'; return 1\np = whet.ReAct('q -> a', tools=[t])"),
    ],
)
def test_changed_code_is_another_program(before: str, after: str) -> None:
    one, same, other = defined(before), defined(before), defined(after)
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def test_closures_partials_methods_and_classes_count() -> None:
    def made(value: Any) -> Any:
        return lambda example, prediction: value

    class Judge:
        def __init__(self, strict: bool) -> None:
            self.strict = strict

        def __call__(self, example: Any, prediction: Any) -> bool:
            return self.strict

    class Label(BaseModel):
        name: str

    for same, other in (
        ((made(1), made(1)), made(2)),
        ((functools.partial(metric, trace=1), functools.partial(metric, trace=1)), functools.partial(metric, trace=2)),
        ((Judge(True), Judge(True)), Judge(False)),
        ((Judge(True).__call__, Judge(True).__call__), Judge(False).__call__),
        (({"a": Label(name="x")}, {"a": Label(name="x")}), {"a": Label(name="y")}),
        (({"b", "a"}, {"a", "b"}), {"a"}),
    ):
        assert fingerprint(same[0]) == fingerprint(same[1]) != fingerprint(other)


def test_what_rows_and_programs_hold_of_ours_counts() -> None:
    ask, near = whet.Predict("q -> a"), whet.Embedder(lambda texts: [[1.0] for _ in texts])
    rows = [[whet.Example(q=text, a="b").with_inputs("q")] for text in "xy"]
    for make, one, other in (
        (whet.Image, b"\x89PNG\r\n\x1a\na", b"\x89PNG\r\n\x1a\nb"),
        (whet.Image, "https://a.test/1.png", "https://a.test/2.png"),
        (lambda data: whet.File(file_data=data), "aGFsbG8=", "b3RoZXI="),
        (lambda text: whet.History(messages=[{"q": text}]), "a", "b"),
        (lambda docs: BM25(docs), ["a"], ["b"]),
        (lambda docs: Embeddings(corpus=docs, embedder=near), ["a"], ["b"]),
        (lambda given: whet.KNN(1, given, near), rows[0], rows[1]),
        (lambda reward: whet.BestOfN(ask, 2, reward), lambda args, answer: 1.0, lambda args, answer: 0.0),
        (lambda name: whet.TwoStepAdapter(whet.LM(name)), "openai/a", "openai/b"),
        (lambda text: whet.ChatAdapter(reminder=text), "Go.", "Stop."),
    ):
        assert fingerprint(make(one)) == fingerprint(make(one)) != fingerprint(make(other)), one


def test_rows_with_other_media_are_other_rows() -> None:
    def row(picture: Any) -> Any:
        return whet.Example(picture=picture, label="cat").with_inputs("picture")

    one, other = b"\x89PNG\r\n\x1a\na", b"\x89PNG\r\n\x1a\nb"
    assert row_hash(row(whet.Image(one))) == row_hash(row(whet.Image(one))) != row_hash(row(whet.Image(other)))
    assert row_hash(row([whet.Audio(one)])) != row_hash(row([whet.Audio(other)]))
    assert row_hash(row(SimpleNamespace(x=1))) == row_hash(row(SimpleNamespace(x=1))) != row_hash(row(SimpleNamespace(x=2)))
    sound, quiet = (whet.Example(picture=whet.Image(data), label="cat") for data in (one, other))
    plain = Candidate(params={"self": whet.Predict("picture: whet.Image -> label").param})
    assert plain.with_demos({"self": [sound]}) != plain.with_demos({"self": [quiet]})


def test_a_model_is_its_name_its_address_and_its_parameters_but_not_its_key() -> None:
    lm = whet.LM("openai/gpt-4o-mini", api_base="http://localhost:1/v1", api_key="one")
    assert fingerprint(lm) == fingerprint(whet.LM("openai/gpt-4o-mini", api_base="http://localhost:1/v1", api_key="two", num_retries=0))
    for other in (
        whet.LM("openai/gpt-4o-mini", api_base="http://localhost:2/v1", api_key="one"),
        whet.LM("openai/gpt-4o", api_base="http://localhost:1/v1", api_key="one"),
        lm.copy(temperature=0.7),
        lm.copy(rollout_id=1),
    ):
        assert fingerprint(lm) != fingerprint(other)
    assert fingerprint(ScriptedLM(lambda request: "a")) != fingerprint(ScriptedLM(lambda request: "b"))


def test_what_has_no_lasting_content_is_named() -> None:
    with Path(__file__).open("rb") as file:
        for changing in (random.Random(1), iter([1]), file, ScriptedLM(["a"])):
            program: Any = Two()
            program.k = changing
            with pytest.raises(Unstable, match=r"`program\.k.*` is a "):
                of(program)


def test_an_object_may_say_what_it_depends_on() -> None:
    class Client:
        def __init__(self, index: str) -> None:
            self.index, self.connection = index, iter("")

        def memory_key(self) -> Any:
            return self.index

    assert fingerprint(Client("a")) == fingerprint(Client("a")) != fingerprint(Client("b"))


def test_it_is_the_same_in_every_process() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from optimize.test_fingerprint import Two, metric, of\nfrom whet.optimize.fingerprint import fingerprint\n"
        "print(of(Two()).hex(), fingerprint(metric).hex(), fingerprint({'b', 'a', 'c'}).hex())"
    )
    tests, source = str(Path(__file__).parents[1]), str(Path(whet.__file__).parents[1])
    seen = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code, tests]
        environment = {"PYTHONPATH": source, "PYTHONHASHSEED": seed, "PATH": ""}
        seen.add(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)
    assert len(seen) == 1
