"""Which predictors a proposal is for and who writes it: the reflecting model, or the user's own proposer and selector (as in `GEPA`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from whet.core.context import context
from whet.core.flow import Flow, Invoke
from whet.errors import ConfigurationError
from whet.optimize.candidate import Candidate
from whet.optimize.proposers.reflect import Reflect, shown_run
from whet.optimize.search import Search
from whet.optimize.store import Result
from whet.optimize.strand import Strand

__all__ = ["Components"]

Runs = Sequence[tuple[Any, Result]]
# Between the name of a predictor and what its model is told of a tool: `react:search`, `react:search.query`.
_TOOL = ":"


class Components:
    """Writes children of a candidate as a recipe with `reflection_lm`, `instruction_proposer` and `component_selector` says."""

    def __init__(self, search: Search, recipe: Any) -> None:
        self.search, self.recipe = search, recipe
        self.reflect: Reflect | None = None
        if recipe.reflection_lm is not None:
            shown = max(recipe.reflection_minibatch_size, 1 if recipe.strict else 10)
            self.reflect = Reflect(
                search=search, model=recipe.reflection_lm, k=shown, perfect=recipe.perfect_score, metric=search.task.metric
            )
        self.turns: dict[str, int] = {}
        self.made = 0

    def refuse_change(self, parent: Candidate, child: Candidate, reason: str) -> None:
        """Remember why a proposal was not kept, for those who write the next ones."""
        if self.reflect is not None:
            self.reflect.refuse_change(parent, child, reason)

    def propose(self, parent: Candidate, runs: Runs, count: int, *, in_turn: bool = False) -> Strand[list[Candidate]]:
        """Up to `count` children of one candidate, from its runs on training rows."""
        selector = self.recipe.component_selector
        own = self.recipe.instruction_proposer is not None
        plain = selector == "round_robin" and not own
        if plain and self.reflect is not None and not in_turn:
            return (yield from self.reflect.propose(parent, runs, count))
        failed = [r for r in runs if (r[1].value or 0.0) < self.recipe.perfect_score]
        if not failed and self.recipe.skip_perfect_score:
            return []
        if own and len(parent.params) == 1:
            count = min(count, max(1, len(runs) // self.recipe.reflection_minibatch_size))
        made = yield [self._child(parent, self._part(runs, i), self._names(parent, runs)) for i in range(count)]
        return [c for c in made if c is not None]

    def _part(self, runs: Runs, number: int) -> Runs:
        """Another few runs for each proposal."""
        size = self.recipe.reflection_minibatch_size
        start = number * size % max(1, len(runs))
        return [*runs[start:], *runs[:start]][:size] or runs

    def _names(self, parent: Candidate, runs: Runs) -> list[str]:
        """The predictors that one proposal changes."""
        names = list(parent.params)
        selector = self.recipe.component_selector
        if selector == "all":
            return names
        if selector == "round_robin":
            turn = self.turns[parent.hash] = self.turns.get(parent.hash, -1) + 1
            return [names[turn % len(names)]]
        texts = {name: param.instructions for name, param in parent.params.items()}
        state = SimpleNamespace(program_candidates=[texts], i=self.made, total_num_evals=self.search.rollouts)
        trajectories = [{"data": row, "prediction": r.prediction, "score": r.value, "trace": list(r.steps)} for row, r in runs]
        chosen = list(selector(state, trajectories, [r.value or 0.0 for _, r in runs], 0, texts))
        unknown = [name for name in chosen if name not in names]
        if unknown:
            raise ConfigurationError(f"`component_selector` named {unknown[0]!r}, which is no predictor; there are: {', '.join(names)}.")
        return chosen

    def _child(self, parent: Candidate, runs: Runs, names: Sequence[str]) -> Strand[Candidate | None]:
        self.made += 1
        if self.recipe.instruction_proposer is not None:
            number = self.made
            texts = yield self.search.ask(f"proposer {number}", lambda: self._proposed(parent, runs, names))
            if isinstance(texts, Exception):
                return None
            return self._with(parent, texts)
        assert self.reflect is not None
        params = yield from self.reflect.rewritten(parent, names, runs)
        if not params:
            self.search.decide("refuse", parent, "the proposer changed nothing")
            return None
        return self.search.add(parent.evolve(params, f"proposed for {', '.join(params)}"), "proposer")

    def _with(self, parent: Candidate, texts: Mapping[str, Any]) -> Candidate | None:
        old = _texts_of(parent)
        changed = {n: str(t) for n, t in texts.items() if n in old and str(t).strip() and str(t) != old[n]}
        if not changed:
            self.search.decide("refuse", parent, "the proposer changed nothing")
            return None
        params = dict(parent.params)
        for place, text in changed.items():
            name, _, tool = place.partition(_TOOL)
            param = params[name]
            params[name] = param.evolve(tools={**param.tools, tool: text}) if tool else param.evolve(instructions=text)
        return self.search.add(parent.evolve(params, f"proposed for {', '.join(changed)}"), "proposer")

    def _proposed(self, parent: Candidate, runs: Runs, names: Sequence[str]) -> Flow[Mapping[str, Any]]:
        """What the user's own proposer makes of the same data."""
        proposer = self.recipe.instruction_proposer
        texts = _texts_of(parent)
        places = [place for place in texts if place.partition(_TOOL)[0] in names]
        records = {place: reflective_records(runs, place.partition(_TOOL)[0], self.recipe.perfect_score) for place in places}
        settings = {} if self.recipe.reflection_lm is None else {"lm": self.recipe.reflection_lm}
        with context(**settings):
            answer = yield Invoke(proposer, (), {"candidate": texts, "reflective_dataset": records, "components_to_update": places})
        if not isinstance(answer, Mapping):
            raise ConfigurationError(f"`instruction_proposer` must return a dict of predictor name to instruction; it returned {answer!r}.")
        return answer

    def merged(self, a: Candidate, b: Candidate) -> Strand[Candidate | None]:
        """Both in one: A, with what B changed elsewhere; where both changed the same predictor, a model combines the two instructions."""
        base = self.search.candidate(a.parents[0]) if a.parents else None
        params = {}
        for name, param in b.params.items():
            was = base.params[name] if base is not None else param
            mine = a.params[name]
            tools = {**mine.tools, **{n: text for n, text in param.tools.items() if text != was.tools.get(n)}}
            text = mine.instructions
            if mine.instructions == was.instructions:
                text = param.instructions
            elif param.instructions not in (mine.instructions, was.instructions) and self.reflect is not None:
                combined = yield from self.reflect.merge(a, name, param.instructions)
                if combined is None:
                    return None
                text = combined.params[name].instructions
            if (text, tools) != (mine.instructions, mine.tools):
                params[name] = mine.evolve(instructions=text, tools=tools)
        return self.search.add(a.evolve(params, f"merged: {a.note} and {b.note}", parents=[b]), "merge") if params else None


def _texts_of(candidate: Candidate) -> dict[str, str]:
    """All that a proposer may rewrite: instructions by predictor, then the descriptions of tools and of their arguments."""
    told = {f"{name}{_TOOL}{tool}": text for name, param in candidate.params.items() for tool, text in param.tools.items()}
    return {name: param.instructions for name, param in candidate.params.items()} | told


def reflective_records(runs: Runs, name: str, perfect: float = 1.0) -> list[dict[str, Any]]:
    """What one predictor was given and gave in these runs, with the feedback, under the names that proposers know."""
    records = []
    for row, result in runs:
        mine = [step for step in result.steps if step.name == name]
        given, gave = (dict(mine[-1].inputs), dict(mine[-1].prediction)) if mine else (dict(row.inputs()), result.error or "nothing")
        score = result.value if result.value is not None else 0.0
        feedback = result.score.feedback if result.score is not None and result.score.feedback else ""
        if not feedback and result.error:
            feedback = shown_run(row, result, perfect).rsplit("Feedback: ", 1)[-1]
        records.append({"Inputs": given, "Generated Outputs": gave, "Feedback": feedback or f"This trajectory got a score of {score}."})
    return records
