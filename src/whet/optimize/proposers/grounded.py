"""Instructions grounded in what there is to see: the rows, the program, the demos, and what went wrong so far (after MIPRO, arXiv
2406.11695)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from whet.core.field import InputField, OutputField
from whet.core.signature import Signature
from whet.optimize.candidate import Candidate
from whet.optimize.proposers.reflect import outline_of, shown_run
from whet.optimize.proposers.writing import Writer, clean, clipped, joined
from whet.optimize.search import Search
from whet.optimize.store import Result
from whet.optimize.strand import Handle, Strand

__all__ = ["TIPS", "Grounded"]

SUMMARY_ROWS, SUMMARY_BATCHES = 10, 3

# What a proposal should lean towards; the empty one leaves it open.
TIPS = {
    "none": "",
    "creative": "Try an approach that nobody would think of first.",
    "simple": "Short and plain: nothing that does not help.",
    "description": "Describe the task and its rules in full; be very informative.",
    "high_stakes": "Set the task in a situation where a mistake would be costly.",
    "persona": "Say who is answering: somebody whose job this is.",
}


class DescribeRows(Signature):
    """Read a sample of a data set and note what somebody who has to do this task should know of it: what the inputs are about, what form
    the outputs have, which cases there are and how they are told apart. Three to six sentences."""

    rows: str = InputField(desc="some rows of the data set, inputs and right outputs")
    observations: str = OutputField()


class CombineNotes(Signature):
    """Several people noted what they saw in different parts of one data set. Combine their notes into one summary of a few sentences,
    without repetition, keeping every rule and every fact about form."""

    notes: str = InputField()
    summary: str = OutputField()


class DescribeProgram(Signature):
    """Say in a few sentences what this program is for, how its steps work together, and what each of them has to deliver."""

    program_outline: str = InputField(desc="all steps of the program, what each takes and gives")
    example_runs: str = InputField()
    program_description: str = OutputField()


class ProposeInstruction(Signature):
    """Write an instruction with which a language model will do one step of a program as well as possible. Use what is known of the data and
    the program, and what the examples show; where runs went wrong, say what would have prevented that. Do not copy the examples."""

    dataset_summary: str = InputField()
    program_description: str = InputField()
    step: str = InputField(desc="the step that the instruction is for")
    examples: str = InputField(desc="how this step, or the whole program, has done")
    current_instruction: str = InputField()
    tip: str = InputField(desc="what to lean towards")
    proposed_instruction: str = OutputField(desc="the whole instruction for the step, nothing else")


@dataclass(kw_only=True)
class Grounded:
    """Proposes instructions for each predictor. `aware` names what may be looked at: `data`, `program`, `demos`, `tip`.

    The data set is summarised from a few batches at once, the program is described once, and no proposal is written for the place of the
    instruction that is there already."""

    search: Search
    writer: Writer
    aware: frozenset[str] = frozenset({"data", "program", "demos", "tip"})
    batch: int = SUMMARY_ROWS
    known: set[tuple[str, str]] = field(default_factory=set)

    def summary(self, rows: Sequence[Any], rng: Random) -> Strand[str]:
        """What the rows are like; empty if they are not to be looked at."""
        if "data" not in self.aware or not rows:
            return ""
        size = max(1, self.batch)
        batches = [rows[i : i + size] for i in range(0, len(rows), size)][:SUMMARY_BATCHES]
        shown = [joined(_row_text(row) for row in batch) for batch in batches]
        answers = yield [self.writer.ask(f"rows {i}", DescribeRows, rng.randrange(10**9), rows=s) for i, s in enumerate(shown)]
        notes = [str(a.observations) for a in answers if not isinstance(a, Exception)]
        if len(notes) < 2:
            return "".join(notes)
        combined = yield self.writer.ask("rows summary", CombineNotes, rng.randrange(10**9), notes=joined(notes))
        return notes[0] if isinstance(combined, Exception) else str(combined.summary)

    def description(self, candidate: Candidate, runs: Sequence[tuple[Any, Result]], rng: Random) -> Strand[str]:
        """What the program does, asked once for all its steps; its outline where it has one step only."""
        outline = outline_of(self.search.program_of(candidate))
        if "program" not in self.aware or len(candidate.params) == 1:
            return outline
        shown = joined(shown_run(row, result) for row, result in runs[:3])
        handle = self.writer.ask("program", DescribeProgram, rng.randrange(10**9), program_outline=outline, example_runs=shown)
        answer = yield handle
        return outline if isinstance(answer, Exception) else f"{outline}\n\n{clipped(str(answer.program_description), 4000)}"

    def propose(  # noqa: PLR0913 - what a proposal is grounded in
        self,
        candidate: Candidate,
        name: str,
        count: int,
        *,
        summary: str,
        description: str,
        runs: Sequence[tuple[Any, Result]],
        rng: Random,
    ) -> Strand[list[str]]:
        """Up to `count` new instructions for one predictor, written side by side; each sees other runs and another tip."""
        handles = [self._ask(candidate, name, i, summary, description, runs, rng) for i in range(count)]
        answers = yield handles
        return [text for answer in answers if (text := self._text(candidate, name, answer))]

    def _ask(  # noqa: PLR0913 - see `propose`
        self, candidate: Candidate, name: str, i: int, summary: str, description: str, runs: Sequence[tuple[Any, Result]], rng: Random
    ) -> Handle:
        tip = rng.choice(list(TIPS.values())) if "tip" in self.aware else ""
        shown = "demos" in self.aware
        return self.writer.ask(
            f"instruction {name} {i}",
            ProposeInstruction,
            rng.randrange(10**9),
            dataset_summary=summary or "unknown",
            program_description=description,
            step=self._step(candidate, name),
            examples=joined(shown_run(row, result) for row, result in _mixed(runs, rng)) if shown and runs else "none",
            current_instruction=candidate.params[name].instructions,
            tip=tip or "as you like",
        )

    def _step(self, candidate: Candidate, name: str) -> str:
        predictor = dict(self.search.program_of(candidate).named_predictors())[name]
        return f"{name}: {predictor.signature.signature}"

    def _text(self, candidate: Candidate, name: str, answer: Any) -> str:
        if isinstance(answer, Exception):
            return ""
        text = clean(answer.proposed_instruction)
        trouble = "the proposal is empty" if not text else "the proposal is not new" if (name, text) in self.known else ""
        if trouble or text == candidate.params[name].instructions:
            self.search.decide("refuse", None, f"{name}: {trouble or 'the proposal is what is there already'}")
            return ""
        self.known.add((name, text))
        return text if self.writer.usable(text, candidate.params[name].instructions, where=f"{name}: ") else ""


def _row_text(row: Any) -> str:
    inputs = "; ".join(f"{k} = {v}" for k, v in row.inputs().items())
    labels = "; ".join(f"{k} = {v}" for k, v in row.labels().items())
    return clipped(f"{inputs} -> {labels}", 2000)


def _mixed(runs: Sequence[tuple[Any, Result]], rng: Random, bad: int = 5, good: int = 1) -> list[tuple[Any, Result]]:
    """Some runs that failed and one that did not."""
    failed = [r for r in runs if (r[1].value or 0.0) < 1.0]
    right = [r for r in runs if (r[1].value or 0.0) >= 1.0]
    return rng.sample(failed, min(bad, len(failed))) + rng.sample(right, min(good if failed else good + 2, len(right)))
