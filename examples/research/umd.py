"""The prompting case study of The Prompt Report (Schulhoff et al. 2024, arXiv 2406.06608, section 6.2): finding rare signals of a crisis.

Reproduced: few posts are positive, so the objective is F1 over the corpus and not the share of right rows; bootstrapped few-shot random
search makes the candidates; afterwards a person edits the instruction of the saved program by hand, and the edit is judged in the same
journal, beside everything that was tried before.
Miniature: invented posts, one positive in eight. The real data are sensitive; nothing here is taken from them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from scripted.actor import SCRIPTED, Actor
from scripted.umd import TRAIN, VAL, judge

import whet
from whet.evaluate.corpus import corpus_f1
from whet.evaluate.row import Row
from whet.optimize import ObjectiveSearch


class Entrapment(whet.Signature):
    """Does the writer feel trapped, without a way out?"""

    post: str = whet.InputField(trusted=False)
    trapped: Literal["yes", "no"] = whet.OutputField()


def right(row: Any, pred: Any, trace: Any = None) -> bool:
    """Accuracy, which makes the demonstrations and is not what is wanted in the end."""
    return bool(row.trapped == pred.trapped)


def f1(rows: Sequence[Row]) -> Any:
    """F1 of the rare class over all rows, with its interval."""
    return corpus_f1([r.example.trapped for r in rows], [r.prediction.get("trapped") for r in rows], positive="yes")


def evaluation(rows: Sequence[Any]) -> whet.Evaluate:
    """Accuracy and F1 of a program on these rows."""
    return whet.Evaluate(devset=rows, metric=right, corpus={"f1": f1})


def by_accuracy() -> whet.BootstrapRS:
    """The optimizer that makes candidates; by itself it keeps the most accurate one."""
    return whet.BootstrapRS(metric=right, max_bootstrapped_demos=2, max_labeled_demos=4, num_candidate_programs=6)


def by_f1(rows: Sequence[Any], candidates: Any, run_dir: Path) -> ObjectiveSearch:
    """Keeps the candidate with the best F1 on these rows; all sessions share the journal in `run_dir`."""
    return ObjectiveSearch(evaluation(rows).objective("f1"), candidates, noisy=False, max_evaluations=20, run_dir=run_dir)


def edited(path: Path, instructions: str) -> whet.Predict:
    """The saved program with its instruction rewritten in the file, as a person would do it; demos and all else stay."""
    state = json.loads(path.read_text(encoding="utf-8"))
    state["signature"]["instructions"] = instructions
    path.write_text(json.dumps(state), encoding="utf-8")
    program = whet.Predict(Entrapment)
    program.load(path)
    return program


def main() -> None:
    """Accuracy and F1 of the program that each of them chooses, and of an edit by hand."""
    print(SCRIPTED)
    with whet.context(lm=Actor({"trapped": judge})), TemporaryDirectory() as folder:
        plain, run_dir, file = whet.Predict(Entrapment), Path(folder) / "run", Path(folder) / "program.json"
        accurate = by_accuracy().compile(plain, trainset=TRAIN, valset=VAL)
        found = by_f1(VAL, by_accuracy(), run_dir).compile(plain, trainset=TRAIN, valset=VAL)
        found.save(file)
        by_hand = edited(file, "Does the writer feel trapped? Only if there is no way out at all.")
        final = by_f1(VAL, [found, by_hand], run_dir).compile(plain, trainset=TRAIN, valset=VAL)
        for name, program in {"chosen by accuracy": accurate, "chosen by F1": found, "and edited by hand": final}.items():
            result = evaluation(VAL)(program)
            print(f"{name:20} accuracy {result.score} %, F1 {result.corpus['f1'].f1}")


if __name__ == "__main__":
    main()
