"""WangLab at MEDIQA-CORR 2024 (Toma et al. 2024, arXiv 2404.14544): finding and correcting errors in clinical notes.

Reproduced: three steps, detect, locate, correct, of which the later ones run only where an error was detected; notes of one source (MS) are
first compared with a similar exam question found by word search, those of the other (UW) are not; demos for each step by bootstrapping; a
score per subtask and their mean.
Miniature: invented notes with planted errors, BM25 in place of TF-IDF, ROUGE-1 alone in place of its mean with BERTScore and BLEURT.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scripted.actor import SCRIPTED, Actor
from scripted.wanglab import EXAM, SKILLS, TEST, TRAIN

import whet
from whet.evaluate.metrics.overlap import rouge_n
from whet.retrieve import BM25


class Detect(whet.Signature):
    """Say whether the note holds a medical error. A similar exam question, if there is one, tells what would be right."""

    note: str = whet.InputField()
    similar: str | None = whet.InputField(desc="an exam question with its answer")
    has_error: bool = whet.OutputField()


class Locate(whet.Signature):
    """Give the number of the sentence that holds the error."""

    sentences: list[str] = whet.InputField(desc="numbered")
    place: int = whet.OutputField(ge=0)


class Correct(whet.Signature):
    """Write the sentence again, without the error and otherwise unchanged."""

    note: str = whet.InputField()
    sentence: str = whet.InputField()
    corrected: str = whet.OutputField()


class NoteChecker(whet.Module):
    """Detect, locate, correct; a note without an error ends after the first step."""

    def __init__(self, exam: Iterable[str]) -> None:
        self.exam = BM25(exam)
        self.detect = whet.ChainOfThought(Detect)
        self.locate = whet.ChainOfThought(Locate)
        self.correct = whet.ChainOfThought(Correct)

    def forward(self, note: str, source: str) -> whet.Prediction:
        """Whether there is an error, where (-1: nowhere), and the sentence without it."""
        near = self.exam(note, k=1) if source == "MS" else []
        if not self.detect(note=note, similar=near[0].text if near else None).has_error:
            return whet.Prediction(has_error=False, place=-1, corrected="")
        sentences = note.split("\n")
        place = self.locate(sentences=[f"{i} {text}" for i, text in enumerate(sentences)]).place
        if place >= len(sentences):
            return whet.Prediction(has_error=True, place=place, corrected="")
        corrected = self.correct(note=note, sentence=sentences[place]).corrected
        return whet.Prediction(has_error=True, place=place, corrected=corrected)


def subtasks(row: Any, pred: Any, trace: Any = None) -> whet.Score | bool:
    """A part per subtask that the note has, and their mean; a run becomes a demonstration when all of it is right."""
    parts = {"detect": float(row.has_error == pred.has_error)}
    if row.has_error:
        parts["locate"] = float(row.place == pred.place)
        parts["correct"] = rouge_n(pred.corrected, [row.corrected])
    mean = sum(parts.values()) / len(parts)
    return whet.Score(value=mean, parts=parts) if trace is None else mean == 1.0


def compile_checker(program: NoteChecker, rows: list[whet.Example]) -> NoteChecker:
    """The program with demonstrations for each step, though few rows reach the last."""
    optimizer = whet.BootstrapFewShot(metric=subtasks, max_bootstrapped_demos=3, max_labeled_demos=0, max_rounds=4)
    return optimizer.compile(program, trainset=rows)


def main() -> None:
    """The score of each subtask before and after compiling."""
    evaluate = whet.Evaluate(devset=TEST, metric=subtasks)
    print(SCRIPTED)
    with whet.context(lm=Actor(SKILLS)):
        for name, program in {"as written": NoteChecker(EXAM), "compiled": compile_checker(NoteChecker(EXAM), TRAIN)}.items():
            print(f"{name:12}", ", ".join(f"{part} {estimate.value:.2f}" for part, estimate in evaluate(program).parts.items()))


if __name__ == "__main__":
    main()
