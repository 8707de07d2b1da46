"""Rules in words, induced from rows and their right outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from whet.core.field import InputField, OutputField
from whet.core.signature import Signature
from whet.optimize.candidate import Candidate
from whet.optimize.proposers.writing import ROOM, Writer, clean, clipped, joined
from whet.optimize.search import Search
from whet.optimize.strand import Strand

__all__ = ["Rules"]


class InduceRules(Signature):
    """Find the rules that lead from the inputs to the outputs in these examples. Each rule is one clear sentence that somebody who has not
    seen the examples can follow; together they cover the ordinary cases first and then the exceptions. Do not mention single examples."""

    current_instruction: str = InputField()
    number_of_rules: int = InputField(desc="write at most so many")
    examples: str = InputField()
    natural_language_rules: str = OutputField(desc="one rule per line")


@dataclass(kw_only=True)
class Rules:
    """Writes rules for each predictor from as many rows as there is room for, and adds them to its instruction."""

    search: Search
    writer: Writer
    count: int = 10

    def propose(self, base: Candidate, rows: Sequence[Any], number: int) -> Strand[Candidate | None]:
        """The base with rules for every predictor; each proposal reads the rows in another order."""
        rng = self.search.rng("rules", number)
        names = list(base.params)
        handles = [self._asked(base, name, self._shown(base, name, rows, rng), rng) for name in names]
        answers = yield handles
        texts = {}
        for name, answer in zip(names, answers, strict=True):
            rules = "" if isinstance(answer, Exception) else clean(answer.natural_language_rules)
            if rules and self.writer.usable(rules, base.params[name].instructions, base, f"{name}: "):
                texts[name] = f"{base.params[name].instructions}\n\nKeep to these rules:\n{clipped(rules, 8000)}"
        if not texts:
            self.search.decide("refuse", base, "no rules were written")
            return None
        return self.search.add(base.with_instructions(texts, f"rules {number}"), "rules")

    def _asked(self, base: Candidate, name: str, examples: str, rng: Random) -> Any:
        return self.writer.ask(
            f"rules {name}",
            InduceRules,
            rng.randrange(10**9),
            current_instruction=base.params[name].instructions,
            number_of_rules=self.count,
            examples=examples,
        )

    def _shown(self, base: Candidate, name: str, rows: Sequence[Any], rng: Random) -> str:
        """Rows, and for a step inside of the program the demos that were bootstrapped for it."""
        predictor = dict(self.search.program_of(base).named_predictors())[name]
        inputs, outputs = set(predictor.signature.input_fields), set(predictor.signature.output_fields)
        usable = [d for d in base.params[name].demos if inputs & set(d) and outputs & set(d)]
        usable += [row for row in rows if inputs & set(row) and outputs & set(row)]
        if not usable:
            usable = list(rows)
        order = rng.sample(range(len(usable)), len(usable))
        return joined((_example(usable[i], inputs) for i in order), ROOM)


def _example(row: Any, inputs: set[str]) -> str:
    given = "; ".join(f"{k} = {v}" for k, v in row.items() if k in inputs)
    right = "; ".join(f"{k} = {v}" for k, v in row.items() if k not in inputs and k != "augmented")
    return clipped(f"{given} -> {right}", 2000)
