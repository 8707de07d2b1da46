"""The values that a program registers (`whet.Param`), searched one after the other once a recipe has its winner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from whet.adapters.chat import ChatAdapter
from whet.core.field import InputField, OutputField
from whet.core.flow import Flow
from whet.core.param import Learnt
from whet.core.signature import Signature
from whet.core.wording import counted
from whet.modules.predict import Predict
from whet.optimize.candidate import Candidate
from whet.optimize.contest import difference
from whet.optimize.plan import halving, halving_cost, rows_in_order
from whet.optimize.proposers.reflect import lm_for_proposals, outline_of, shown_run
from whet.optimize.proposers.writing import clean, joined
from whet.optimize.search import Search, Task
from whet.optimize.strand import Strand

__all__ = ["choose_values", "cost_of_values"]

# How probable it must be that another value is better, new texts for one that is a text, and runs shown to those who write them.
SURE, TEXTS, SHOWN = 0.6, 3, 6


class RewriteText(Signature):
    """A program that asks language models uses a text. Read how runs of the program went and what the feedback says, and write a text for
    the same place with which it would do better. Keep what already works, stay general, and do not copy the runs."""

    program_outline: str = InputField(desc="all steps of the program, what each takes and gives")
    purpose: str = InputField(desc="what the text is for")
    current_text: str = InputField()
    runs: str = InputField(desc="of the program with this text, those that failed first")
    new_text: str = OutputField(desc="the whole text, nothing else")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where another value may stand: its name, what it is for, what stands there now, and a candidate with something else there."""

    name: str
    purpose: str
    now: str
    put: Callable[[str], Candidate]
    labels: tuple[str, ...] = ()


def choose_values(search: Search, best: Candidate, rows: Sequence[Any] | None = None) -> Strand[Candidate]:
    """The candidate with the best choice, or text, for each value that the program registers, and for each description of a field, a tool
    or an argument if the search is to look at those too. Other values race against the present one on the rows to judge by, and one that
    is not probably better changes nothing. Once per search: further calls return the candidate."""
    rows = rows_in_order(search) if rows is None else rows
    if search.values_chosen or not rows or search.task.metric is None:
        return best
    search.values_chosen = True
    for index in range(len(_places(search, best))):
        place = _places(search, best)[index]
        others = [place.put(label) for label in place.labels] or (yield from _rewritten(search, best, place, rows))
        challengers = [search.add(c, "value") for c in dict.fromkeys(others) if c != best]
        if challengers:
            best = yield from _better_one(search, best, challengers, rows)
    return best


def _places(search: Search, best: Candidate) -> list[_Place]:
    places = []
    for name, param in search.task.student.registered().items():
        put = partial(_with_value, best, name)
        places.append(_Place(name=name, purpose=param.desc or name, now=best.values[name], put=put, labels=param.labels))
    for name, learnt in best.params.items() if search.options.descriptions else ():
        for field, text in learnt.descriptions.items():
            purpose = f"the description of the field `{field}` in the prompt of step {name}"
            places.append(_Place(name=f"{name}: {field}", purpose=purpose, now=text, put=partial(_with_description, best, name, field)))
        for tool, text in _told(learnt).items():
            purpose = f"what the model is told of the tool `{tool}` in step {name}: when to call it, and how"
            places.append(_Place(name=f"{name}: {tool}", purpose=purpose, now=text, put=partial(_with_tool, best, name, tool)))
    return places


def _with_value(best: Candidate, name: str, label: str) -> Candidate:
    return best.with_values({name: label}, f"{name}: {label}")


def _with_description(best: Candidate, name: str, field: str, text: str) -> Candidate:
    learnt = best.params[name]
    return best.evolve({name: learnt.evolve(descriptions={**learnt.descriptions, field: text})}, f"description of {field}: {text}")


def _with_tool(best: Candidate, name: str, tool: str, text: str) -> Candidate:
    learnt = best.params[name]
    return best.evolve({name: learnt.evolve(tools={**learnt.tools, tool: text})}, f"description of {tool}: {text}")


def _told(learnt: Learnt) -> dict[str, str]:
    """The tools and arguments that are described; `finish` and `submit` are ours."""
    return {name: text for name, text in learnt.tools.items() if text and name.partition(".")[0] not in ("finish", "submit")}


def _better_one(search: Search, best: Candidate, challengers: Sequence[Candidate], rows: Sequence[Any]) -> Strand[Candidate]:
    """The best challenger, if it is probably better than what is there."""
    search.mark(best)
    ordered = yield from halving(search, [best, *challengers], rows)
    leader = next(c for c in ordered if c != best)
    yield search.scores(best, rows) + search.scores(leader, rows)
    found = difference(search, leader, best, rows)
    if found.mean > 0 and found.better() > SURE:
        search.decide("promote", leader, f"{leader.note}: {found.mean:+.3f} on {counted(found.n, 'row')}")
        best = leader
    search.mark(best, search.trial(best, rows).score)
    return best


def _rewritten(search: Search, best: Candidate, place: _Place, rows: Sequence[Any]) -> Strand[list[Candidate]]:
    """Candidates with other texts in one place, written from what the best one did on some rows."""
    rows, model = rows[: 2 * SHOWN], lm_for_proposals(search, None)
    results = yield search.scores(best, rows)
    runs = sorted(zip(rows, results, strict=True), key=lambda run: run[1].value or 0.0)[:SHOWN]
    inputs = {
        "program_outline": outline_of(search.program_of(best)),
        "purpose": place.purpose,
        "current_text": place.now,
        "runs": joined(shown_run(row, result) for row, result in runs),
    }
    rng = search.rng("texts of", place.name)

    def written(rollout: int) -> Flow[Any]:
        lm = model.copy(temperature=1.0, rollout_id=rollout)
        return Predict(RewriteText, adapter=ChatAdapter()).run_flow((), {**inputs, "lm": lm})

    answers = yield [search.ask(f"text {place.name}", partial(written, rng.randrange(10**9))) for _ in range(TEXTS)]
    texts = [clean(a.new_text) for a in answers if not isinstance(a, Exception)]
    return [place.put(text) for text in dict.fromkeys(texts) if text]


def cost_of_values(task: Task, descriptions: bool) -> tuple[int, int]:
    """The most program runs and questions that choosing takes."""
    registered = task.student.registered().values()
    texts = sum(param.choices is None for param in registered)
    texts += sum(len(learnt.descriptions) + len(_told(learnt)) for learnt in task.student.params().values()) if descriptions else 0
    sizes = [len(param.labels) for param in registered if param.choices is not None] + [TEXTS + 1] * texts
    return sum(halving_cost(size, len(task.val)) + len(task.val) for size in sizes), TEXTS * texts
