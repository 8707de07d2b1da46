"""A judge is run over rows that people have scored, to see how far to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from whet.core.context import current
from whet.core.flow import Flow, adrive, drive, side_by_side
from whet.core.wording import counted
from whet.errors import InputError
from whet.evaluate.calibration import JudgeCalibration, calibrate_judge
from whet.evaluate.metric import MetricCall, metric_call

__all__ = ["acalibrate", "calibrate"]


def calibrate(
    judge: Any,
    labelled: Iterable[tuple[Any, Any, Any]],
    *,
    unlabelled: Iterable[tuple[Any, Any]] = (),
    tolerance: float = 0.0,
    level: float = 0.95,
    num_threads: int | None = None,
) -> JudgeCalibration:
    """Run a judge over rows that people have scored, and say how far to trust it.

    `labelled` are (example, prediction, human score); `unlabelled` (example, prediction) further rows that the corrected mean shall speak
    about. `tolerance` and `level` are as in `calibrate_judge`. Raises the first error of the judge, `InputError` for fewer than two
    labelled rows.

    >>> def judge(example, prediction):
    ...     return "sorry" in prediction
    >>> labelled = [(None, "I am sorry.", 1), (None, "No.", 0), (None, "We regret it.", 1), (None, "Never.", 0)] * 5
    >>> result = calibrate(judge, labelled)
    >>> result.n, result.agreement.value, round(result.bias.value, 2)
    (20, 0.75, -0.25)
    """
    return drive(_calibrated(judge, labelled, unlabelled, tolerance, level, num_threads))


async def acalibrate(
    judge: Any,
    labelled: Iterable[tuple[Any, Any, Any]],
    *,
    unlabelled: Iterable[tuple[Any, Any]] = (),
    tolerance: float = 0.0,
    level: float = 0.95,
    num_threads: int | None = None,
) -> JudgeCalibration:
    """`calibrate`, from async code.

    >>> import asyncio
    >>> async def judge(example, prediction):
    ...     return "sorry" in prediction
    >>> labelled = [(None, "I am sorry.", 1), (None, "No.", 0)] * 10
    >>> asyncio.run(acalibrate(judge, labelled)).agreement.value
    1.0
    """
    return await adrive(_calibrated(judge, labelled, unlabelled, tolerance, level, num_threads))


def _calibrated(
    judge: Any,
    labelled: Iterable[tuple[Any, Any, Any]],
    unlabelled: Iterable[tuple[Any, Any]],
    tolerance: float,
    level: float,
    num_threads: int | None,
) -> Flow[JudgeCalibration]:
    seen = list(labelled)
    rest = list(unlabelled)
    _check_rows(seen, "labelled", "example, prediction, human score")
    _check_rows(rest, "unlabelled", "example, prediction")
    if len(seen) < 2:
        raise InputError(f"`labelled` has {counted(len(seen), 'row')} with human scores; a calibration needs at least two, 100 are good.")
    humans = _people([human for _, _, human in seen], tolerance, level)
    call = metric_call(judge)
    pairs = [*((example, pred) for example, pred, _ in seen), *rest]
    scores = yield from _scores(call, pairs, num_threads or current().num_threads)
    return calibrate_judge(scores[: len(seen)], humans, unlabelled=scores[len(seen) :], tolerance=tolerance, level=level)


def _check_rows(rows: list[Any], name: str, parts: str) -> None:
    """Raises `InputError` for a row that is no tuple of these parts, before a judge is paid for."""
    for place, row in enumerate(rows):
        if not isinstance(row, tuple | list) or len(row) != parts.count(",") + 1:
            found = f"{len(row)} parts" if isinstance(row, tuple | list) else f"type {type(row).__name__}"
            raise InputError(f"Row {place} of `{name}` is of {found}; give a tuple ({parts}).")


def _people(scores: list[Any], tolerance: float, level: float) -> list[float]:
    """The scores of people, looked at before a judge is paid for its own."""
    calibrate_judge([0.0] * len(scores), scores, tolerance=tolerance, level=level)
    return [float(score) for score in scores]


def _scores(call: MetricCall, pairs: Sequence[tuple[Any, Any]], threads: int) -> Flow[list[float]]:
    scores = yield from side_by_side(*(partial(call.flow, example, pred) for example, pred in pairs), limit=threads)
    return [score.value for score in scores]
