"""What an optimizer hands back beside the program: everything that was tried, spent and decided."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.core.param import Learnt
from whet.core.wording import counted
from whet.errors import ConfigurationError
from whet.evaluate.statistics import Estimate, mean_interval
from whet.optimize.budget import Spend
from whet.optimize.candidate import Candidate

__all__ = ["Decision", "Run", "Trial", "diff_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Something the search decided: what kind (`propose`, `drop`, `promote`, `merge`, `stop`, ...), about whom, and why."""

    kind: str
    candidate: str = ""
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.candidate[:6]} {self.reason}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A candidate with its scores, row by row in the common order (`None` where a row could not be scored), and in `means` what a row took:
    `cost` in US dollars, `tokens`, `seconds`, `calls`, and the named parts of the scores.

    >>> import whet
    >>> candidate = Candidate(params=whet.Predict("question -> answer").params())
    >>> Trial(candidate=candidate, scores=(1.0, None, 0.0)).score
    0.5
    """

    candidate: Candidate
    scores: tuple[float | None, ...] = ()
    means: Mapping[str, float] = field(default_factory=dict)

    def objective(self, name: str) -> float:
        """The mean of something else than the score, turned so that higher is better."""
        if name in ("cost", "tokens", "seconds", "calls"):
            return -self.means.get(name, 0.0)
        if name not in self.means:
            known = ", ".join(sorted(self.means)) or "none"
            raise ConfigurationError(f"There is no objective `{name}`; known ones: {known}.")
        return self.means[name]

    @property
    def counted(self) -> list[float]:
        """The scores there are."""
        return [s for s in self.scores if s is not None]

    @property
    def score(self) -> float | None:
        """The mean, `None` when no row was scored."""
        return sum(self.counted) / len(self.counted) if self.counted else None

    @property
    def estimate(self) -> Estimate | None:
        """The mean with its 95 % interval on these rows. For the winner of a search it is too high: see the certificate."""
        return mean_interval(self.counted) if self.counted else None


@dataclass(slots=True, kw_only=True)
class Run:
    """The story of one `compile`.

    `candidates` are all that were made, in order, with their parents and how they came about; `trials` those that were scored, best first;
    `decisions` what was kept and dropped, and why; `stop_reason` says why the search ended: `finished`, `interrupted`, a cap such as
    `max_calls`, `stop_at_score` or what the recipe says. `certificate` is the honest gain on rows that the search never saw, where the
    optimizer made one. `settings` are the effective ones; `curve` has calls, score and candidate each time a better one was found;
    `comparison` the rows that both the program as given and the winner were run on, with both scores.

    >>> import whet
    >>> rows = [whet.Example(text=f"a {c} coat", colour=c).with_inputs("text") for c in ("red", "green", "blue")]
    >>> run = whet.LabeledFewShot(k=1).compile(whet.Predict("text -> colour"), trainset=rows).run
    >>> run.stop_reason, [candidate.note for candidate in run.candidates], run.spend.calls
    ('finished', ['as given', '1 labelled demo'], 0)
    """

    optimizer: str
    student: Any
    settings: Mapping[str, Any] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    spend: Spend = field(default_factory=Spend)
    stop_reason: str = "running"
    best: Candidate | None = None
    baseline: Candidate | None = None
    certificate: Any = None
    run_dir: str | None = None
    rollouts: int = 0
    curve: list[tuple[int, float, str]] = field(default_factory=list)
    comparison: list[tuple[Any, float | None, float | None]] = field(default_factory=list)

    def diff(self) -> str:
        """What changed in the prompts, as a text diff per predictor, and which registered values."""
        if self.best is None or self.baseline is None:
            return ""
        diff = diff_of(self.baseline.params, self.best.params)
        before, after = self.baseline.values, self.best.values
        changed = [f"{name}: {before.get(name)} -> {label}" for name, label in after.items() if before.get(name) != label]
        return "\n".join([*([diff] if diff else []), *changed])

    def front(self, *objectives: str) -> list[Trial]:
        """The trials that no other one beats in everything: by score, which always counts, and by what else is named:
        `cost` (US dollars per row), `tokens`, `seconds`, `calls` (better when lower) or a named part of the scores (better when higher).

        Trials run on fewer than half as many rows as the winner are left out.
        """
        least = max((len(t.counted) for t in self.trials), default=0) / 2
        judged = [t for t in self.trials if t.counted and len(t.counted) >= least]
        points = {id(t): (t.score or 0.0, *(t.objective(name) for name in objectives if name != "score")) for t in judged}
        return [t for t in judged if not any(_beats(points[id(o)], points[id(t)]) for o in judged)]

    def trial(self, candidate: Candidate | str) -> Trial | None:
        """The trial of a candidate (or of its hash)."""
        name = candidate if isinstance(candidate, str) else candidate.hash
        return next((t for t in self.trials if t.candidate.hash == name), None)

    def summary(self) -> str:
        """A few lines: how it ended, what it cost, what was gained."""
        tried = f"{counted(len(self.candidates), 'candidate')}, {counted(self.rollouts, 'program run')}"
        lines = [f"{self.optimizer}: {self.stop_reason}, {tried}, {self.spend}"]
        if self.best is not None and (trial := self.trial(self.best)) is not None and trial.estimate is not None:
            lines.append(f"best candidate on the rows of the search (biased upwards): {trial.estimate}")
        if self.certificate is not None:
            lines.append(str(self.certificate))
        return "\n".join(lines)

    def report(self, path: Any = None) -> str:
        """A self-contained HTML page about the run; written to `path` if one is given."""
        from whet.optimize.report import html_report  # noqa: PLC0415 - only people who look need it

        return html_report(self, path)

    def __repr__(self) -> str:
        return f"Run({self.optimizer}, {self.stop_reason}, {counted(len(self.candidates), 'candidate')}, {self.spend})"


def diff_of(before: Mapping[str, Learnt], after: Mapping[str, Learnt]) -> str:
    """A unified diff of the learnt parts, one block per predictor that changed.

    >>> print(diff_of({"p": Learnt(instructions="Answer.")}, {"p": Learnt(instructions="Answer briefly.")}))
    --- p (before)
    +++ p (after)
    @@ -1 +1 @@
    -Answer.
    +Answer briefly.
    """
    blocks: list[str] = []
    for name in after:
        old, new = _shown(before.get(name)), _shown(after[name])
        blocks += difflib.unified_diff(old, new, f"{name} (before)", f"{name} (after)", lineterm="")
    return "\n".join(blocks)


def _shown(param: Learnt | None) -> list[str]:
    if param is None:
        return []
    lines = param.instructions.splitlines()
    lines += [f"{name}: {text}" for name, text in param.descriptions.items()]
    lines += [f"tool {name}: {text}" for name, text in param.tools.items() if text]
    lines += [f"demo: {_short(demo)}" for demo in param.demos]
    if param.lm is not None:
        lines.append(f"model: {getattr(param.lm, 'model', param.lm)}")
    return lines


def _short(demo: Any, width: int = 200) -> str:
    items: Iterable[tuple[str, Any]] = demo.items() if isinstance(demo, Mapping) else [("", demo)]
    text = ", ".join(f"{k}={v!r}" for k, v in items)
    return text if len(text) <= width else text[: width - 1] + "…"


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Best first: the higher mean; of equal ones the one with more rows, then the earlier one."""
    return sorted(trials, key=lambda t: (-(t.score if t.score is not None else -1.0), -len(t.counted)))


def placed(trials: Sequence[Trial], winner: Candidate | None) -> list[Trial]:
    """The winner, then by how long a candidate stayed in the race, then by mean; the same whatever the timing was."""

    def place(trial: Trial) -> tuple[Any, ...]:
        seed = trial.candidate.seed
        score = trial.score if trial.score is not None else -1.0
        return trial.candidate != winner, -len(trial.counted), -score, seed is None, seed or 0, trial.candidate.hash

    return sorted(trials, key=place)


def _beats(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))
