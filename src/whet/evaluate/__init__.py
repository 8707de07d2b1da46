"""Evaluation: run and score programs, judge what no string comparison can, and say how sure the numbers are."""

from __future__ import annotations

from whet.lazy import door, homes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from whet.evaluate.calibrating import acalibrate as acalibrate, calibrate as calibrate
    from whet.evaluate.calibration import JudgeCalibration as JudgeCalibration, calibrate_judge as calibrate_judge
    from whet.evaluate.changes import RowChange as RowChange, RunDiff as RunDiff, diff as diff
    from whet.evaluate.comparison import Comparison as Comparison, compare as compare
    from whet.evaluate.corpus import CorpusScore as CorpusScore, Counts as Counts, corpus_f1 as corpus_f1
    from whet.evaluate.evaluate import Evaluate as Evaluate
    from whet.evaluate.gate import Gate as Gate, check as check
    from whet.evaluate.judges import (
        CompleteAndGrounded as CompleteAndGrounded,
        PairwiseJudge as PairwiseJudge,
        RubricJudge as RubricJudge,
        SemanticF1 as SemanticF1,
    )
    from whet.evaluate.metric import MetricCall as MetricCall, metric_call as metric_call
    from whet.evaluate.metrics import (
        EM as EM,
        F1 as F1,
        HotPotF1 as HotPotF1,
        answer_exact_match as answer_exact_match,
        answer_passage_match as answer_passage_match,
        normalize_text as normalize_text,
    )
    from whet.evaluate.row import EvaluationResult as EvaluationResult, Row as Row
    from whet.evaluate.statistics import (
        Estimate as Estimate,
        bootstrap_interval as bootstrap_interval,
        mean_interval as mean_interval,
        wilson_interval as wilson_interval,
    )
    from whet.evaluate.stream import load_run as load_run

_HOMES = homes_of(
    __name__,
    {
        "calibrating": "acalibrate calibrate",
        "calibration": "JudgeCalibration calibrate_judge",
        "changes": "RowChange RunDiff diff",
        "comparison": "Comparison compare",
        "corpus": "CorpusScore Counts corpus_f1",
        "evaluate": "Evaluate",
        "gate": "Gate check",
        "judges": "CompleteAndGrounded PairwiseJudge RubricJudge SemanticF1",
        "metric": "MetricCall metric_call",
        "metrics": "EM F1 HotPotF1 answer_exact_match answer_passage_match normalize_text",
        "row": "EvaluationResult Row",
        "statistics": "Estimate bootstrap_interval mean_interval wilson_interval",
        "stream": "load_run",
    },
)

__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll] - one table, not two

if not TYPE_CHECKING:
    __getattr__, __dir__ = door(__name__, _HOMES)
