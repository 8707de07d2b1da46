"""Instructions from earlier attempts and their scores (as in COPRO and OPRO, arXiv 2309.03409)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.core.field import InputField, OutputField
from whet.core.signature import Signature
from whet.optimize.candidate import Candidate
from whet.optimize.proposers.reflect import outline_of, shown_run
from whet.optimize.proposers.writing import ROOM, Writer, clean, clipped, joined
from whet.optimize.search import Search
from whet.optimize.store import Result
from whet.optimize.strand import Strand

__all__ = ["Attempt", "Attempts"]

Runs = Sequence[tuple[Any, Result]]
# Failed runs in one request, attempts asked for with it, and other attempts that are shown beside the best one.
SHOWN, EACH, OTHERS = 8, 3, 2


class ProposeFromNothing(Signature):
    """Write an instruction that makes a language model do the following task as well as possible, and words with which its answer should
    begin. Do not be shy of saying it in quite another way."""

    basic_instruction: str = InputField(desc="what the model is told now")
    proposed_instruction: str = OutputField(desc="the better instruction, whole")
    proposed_prefix_for_output_field: str = OutputField(desc="a word or two in front of the answer")


class ProposeFromAttempts(Signature):
    """Several instructions for one task were tried. Find out what those with high scores have in common that the others lack, and write one
    that will do better than all of them, and words with which the answer should begin."""

    attempted_instructions: str = InputField(desc="from the lowest score to the highest")
    proposed_instruction: str = OutputField(desc="the better instruction, whole")
    proposed_prefix_for_output_field: str = OutputField(desc="a word or two in front of the answer")


class ProposeFromFailures(Signature):
    """An instruction for a step of a program is good, but not good enough. Read the runs that still go wrong with it, and the other
    instructions that did well, and write one that does better than all of them. Do not copy the runs."""

    program_outline: str = InputField()
    step: str = InputField()
    current_instruction: str = InputField(desc="the best one so far")
    other_attempts: str = InputField(desc="that did well too")
    failed_runs: str = InputField()
    proposed_instruction: str = OutputField(desc="the better instruction, whole")
    proposed_prefix_for_output_field: str = OutputField(desc="a word or two in front of the answer")


@dataclass(eq=False, slots=True, kw_only=True)
class Attempt:
    """An instruction that was tried, with its score in percent when that is known."""

    text: str
    prefix: str = ""
    depth: int = 0
    score: float | None = None
    candidate: Candidate | None = None


@dataclass(kw_only=True)
class Attempts:
    """Proposes instructions for one predictor, `count` of them with one request where the model takes several at once."""

    search: Search
    writer: Writer
    known: set[str] = field(default_factory=set)

    def propose(self, base: Candidate, name: str, count: int, tried: Sequence[Attempt], depth: int) -> Strand[list[Attempt]]:
        """New instructions; those that are empty or known are left out, which is on record."""
        rng = self.search.rng("attempts", name, depth)
        scored = sorted((a for a in tried if a.score is not None), key=lambda a: a.score or 0.0)
        current = base.params[name].instructions
        signature: Any = ProposeFromNothing
        shown = {"basic_instruction": current}
        if scored:
            signature, shown = ProposeFromAttempts, {"attempted_instructions": _listed(scored[-count:])}
        answer = yield self.writer.ask(f"attempts {name} {depth}", signature, rng.randrange(10**9), n=count, **shown)
        if isinstance(answer, Exception):
            return []
        found = list(zip(answer.completions.proposed_instruction, answer.completions.proposed_prefix_for_output_field, strict=False))
        return [a for text, prefix in found if (a := self._attempt(name, text, prefix, depth, current))]

    def from_failures(
        self, base: Candidate, name: str, count: int, tried: Sequence[Attempt], runs: Runs, depth: int
    ) -> Strand[list[Attempt]]:
        """The same, but each few of them from other runs that failed with the best instruction there is."""
        rng = self.search.rng("attempts", name, depth)
        failed = [(row, r) for row, r in runs if r.value is not None and r.value < 1]
        if not failed:
            return (yield from self.propose(base, name, count, tried, depth))
        current = base.params[name].instructions
        others = sorted((a for a in tried if a.score is not None and a.text != current), key=lambda a: -(a.score or 0.0))[:OTHERS]
        outline = outline_of(self.search.program_of(base))
        asked = []
        for start in range(0, count, EACH):
            picked = rng.sample(failed, min(SHOWN, len(failed)))
            shown = {"failed_runs": joined(shown_run(row, r) for row, r in picked), "other_attempts": _listed(others[::-1]) or "none"}
            number = min(EACH, count - start)
            told = {"program_outline": outline, "step": name, "current_instruction": current, **shown}
            asked.append(self.writer.ask(f"attempts {name} {depth}", ProposeFromFailures, rng.randrange(10**9), n=number, **told))
        answers = yield asked
        found: list[tuple[Any, Any]] = []
        for answer in answers:
            if not isinstance(answer, Exception):
                found += zip(answer.completions.proposed_instruction, answer.completions.proposed_prefix_for_output_field, strict=False)
        return [a for text, prefix in found if (a := self._attempt(name, text, prefix, depth, current))]

    def _attempt(self, name: str, text: Any, prefix: Any, depth: int, current: str) -> Attempt | None:
        text = clean(text)
        if not text or text == current or (key := f"{name}\n{text}") in self.known:
            self.search.decide("refuse", None, f"{name}: the proposal is {'empty' if not text else 'not new'}")
            return None
        self.known.add(key)
        if not self.writer.usable(text, current, where=f"{name}: "):
            return None
        return Attempt(text=text, prefix=clean(prefix), depth=depth)


def _listed(attempts: Sequence[Attempt]) -> str:
    room = ROOM // max(1, len(attempts))
    return "\n\n".join(f"Instruction {i}: {clipped(a.text, room)}\nScore {i}: {a.score:.1f}" for i, a in enumerate(attempts, 1))
