"""The one search loop: strands that propose and strands that evaluate share the places, the store, the budget and the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from whet.core.context import Meter, context, meter
from whet.core.events import handlers_of, observing
from whet.core.flow import Flow
from whet.errors import ConfigurationError, LMAuthError, LMBillingError, LMConfigurationError
from whet.evaluate.evaluate import Evaluate
from whet.evaluate.metric import MetricCall
from whet.evaluate.progress import Line
from whet.evaluate.row import EvaluationResult, Row
from whet.optimize.budget import Budget, JobMeter, Spend, SpendMeter, cap_behind, purse_of
from whet.optimize.candidate import Candidate, content_hash, labels_of, row_hash
from whet.optimize.failures import Failures
from whet.optimize.journal import Journal
from whet.optimize.ledger import job_settings
from whet.optimize.memory import Memory, Recall
from whet.optimize.rollout import Rollout, is_models_fault, rollout
from whet.optimize.run import Decision, Run, Trial, placed, ranked
from whet.optimize.store import Key, Result, Store, Subject, means_of
from whet.optimize.strand import Handle, Stopped, Strand, Strands, Work, finished

__all__ = ["Options", "Search", "Task"]

_HOPELESS = (LMAuthError, LMBillingError, LMConfigurationError, ConfigurationError)
_PROGRAMS_KEPT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be improved: a program, rows to learn from, rows to judge by, a metric, who teaches, and other arguments of `compile`."""

    student: Any
    train: Sequence[Any]
    val: Sequence[Any]
    metric: MetricCall | None
    teacher: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to search: a name for the record, a seed, places, errors allowed, caps, whether to ask anew what is late,
    whether field descriptions are searched too, whether to show progress, and whether too many errors end in the last one of them."""

    name: str
    seed: int = 0
    num_threads: int = 8
    max_errors: float = 10
    failure_score: float = 0.0
    budget: Budget = field(default_factory=Budget)
    display: bool = False
    hedge: bool = False
    descriptions: bool = False
    most_runs: int | None = None
    raises_last: bool = False


class Search:
    """One search under way, and all that a recipe or a proposer needs of it.

    >>> import whet
    >>> class Looks(whet.Optimizer):
    ...     def steps(self, search):
    ...         results = yield search.scores(search.baseline, search.val)
    ...         search.decide("look", search.baseline, f"{results[0].value} on the first row")
    ...         return search.baseline
    >>> rows, optimizer = [whet.Example(text="red coat", colour="red").with_inputs("text")], Looks(metric=lambda row, prediction: True)
    >>> with whet.context(lm=whet.LM("embedded")):
    ...     optimizer.compile(whet.Predict("text -> colour"), trainset=rows).run.decisions[0].reason
    '1.0 on the first row'
    """

    def __init__(
        self, task: Task, options: Options, journal: Journal, settings: Mapping[str, Any] | None = None, memory: Memory | None = None
    ) -> None:
        self.task, self.options, self.journal = task, options, journal
        self.train, self.val = list(task.train), list(task.val)
        self.spend = SpendMeter(journal.spent)
        self.strands = Strands(options.num_threads, self._reason_to_stop)
        self.student = Subject(name="s", program=task.student, settings={})
        self.baseline = Candidate(params=task.student.params(), values=labels_of(task.student), note="as given")
        self.store = Store(journal.lines)
        self.recall = Recall(memory, self.decide)
        self.run = Run(optimizer=options.name, student=task.student, settings=dict(settings or {}), baseline=self.baseline)
        self.run.run_dir = None if journal.folder is None else str(journal.folder)
        self.line = Line(options.display)
        self._programs: dict[tuple[str, str], Any] = {}
        self._asked: dict[Key, Handle] = {}
        self._judged_on: dict[str, dict[str, Handle]] = {}  # of those, by candidate and row, what the student's first sample did
        self._known: dict[str, Candidate] = {}
        self.found_after: dict[str, int] = {}  # how many program runs had been asked for when a candidate came up
        self._row_hashes: dict[int, str] = {}
        self.failures = Failures(self.run, task.metric, allowed=options.max_errors, raises_last=options.raises_last)
        self._judged = self.values_chosen = False
        self._reason: str | None = None
        self.purse = purse_of(options.budget, journal.spent)
        predictors = dict(task.student.named_predictors())
        for line in journal.rows:
            self.store.load(line, predictors)

    # -- for recipes: randomness, candidates, decisions ---------------------------------------------------------------------------------

    def rng(self, *names: Any) -> Random:
        """A generator of random numbers of its own for each purpose, so that no strand disturbs another."""
        return Random(content_hash([self.options.seed, *map(str, names)]))

    def add(self, candidate: Candidate, reason: str = "") -> Candidate:
        """Put a candidate on record."""
        if candidate.hash not in self._known:
            self._known[candidate.hash] = candidate
            self.found_after[candidate.hash] = self.rollouts
            self.run.candidates.append(candidate)
            self.journal.candidate(candidate, lambda: self.program_of(candidate))
        elif candidate.seed is not None:  # the program as given may be one of a recipe's numbered candidates too
            place = self.run.candidates.index(candidate)
            self.run.candidates[place] = replace(self.run.candidates[place], seed=candidate.seed)
        if reason:
            self.decide("propose", candidate, reason)
        return candidate

    def candidate(self, name: str) -> Candidate | None:
        """The candidate of this hash, if it is on record."""
        return self._known.get(name)

    def decide(self, kind: str, candidate: Candidate | None = None, reason: str = "", **facts: Any) -> None:
        """Put a decision on record."""
        decision = Decision(kind=kind, candidate=candidate.hash if candidate is not None else "", reason=reason, facts=facts)
        self.run.decisions.append(decision)
        self.journal.note({"decision": kind, "about": decision.candidate, "reason": reason, **({"facts": facts} if facts else {})})

    def mark(self, candidate: Candidate, score: float | None = None) -> None:
        """Say that this candidate is the best up to now: it is what an interrupted search returns, and what `load_best` finds."""
        self.add(candidate)
        self.run.best = candidate
        if score is not None:
            self.run.curve.append((self.spend.spend.calls, score, candidate.hash))
        self.journal.note({"best": candidate.hash, "score": score})

    def end(self, reason: str, why: str, candidate: Candidate) -> None:
        """Say why a recipe ends before its budget does; what is under way goes on."""
        self.run.stop_reason = reason
        self.decide("stop", candidate, why)

    def stop(self, reason: str) -> None:
        """Start no more work."""
        self._reason = self._reason or reason

    def program_of(self, candidate: Candidate, subject: Subject | None = None) -> Any:
        """The program with a candidate's parts in it; made once and kept."""
        subject = subject or self.student
        key = (subject.name, candidate.hash)
        program = self._programs.get(key)
        if program is None:
            if len(self._programs) >= _PROGRAMS_KEPT:
                self._programs.pop(next(iter(self._programs)))
            program = self._programs[key] = subject.program.bind(candidate.params, candidate.values)
        return program

    # -- for recipes: work --------------------------------------------------------------------------------------------------------------

    def key_of(self, candidate: Candidate, row: Any, subject: Subject | None = None, sample: int = 0) -> Key:
        """Under what a result is stored."""
        return Key((subject or self.student).name, candidate.hash, self._name_of(row), sample)

    def _name_of(self, row: Any) -> str:
        found = self._row_hashes.get(id(row))
        return found if found is not None else self._row_hashes.setdefault(id(row), row_hash(row))

    def score(self, candidate: Candidate, row: Any, *, rank: float = 0.0, **how: Any) -> Handle:
        """Start one candidate on one row, unless that was asked for before; yield the handle to get the `Result`.

        `how`: `subject` (another program or other settings), `sample` and `temperature` (another answer of the models), `metric=None`
        (take every answer).
        """
        subject, sample = how.pop("subject", None) or self.student, how.pop("sample", 0)
        key = self.key_of(candidate, row, subject, sample)
        handle = self._asked.get(key)
        if handle is None:
            handle = self._asked[key] = self._found(key, candidate, row, rank, subject, how)
            if key.subject == self.student.name and not sample:
                self._judged_on.setdefault(key.candidate, {})[key.row] = handle
        return handle

    def _found(self, key: Key, candidate: Candidate, row: Any, rank: float, subject: Subject, how: Mapping[str, Any]) -> Handle:
        """What this run, or an earlier one, knows already, or else a run of the program."""
        how = {"metric": self.task.metric, "failure_score": self.options.failure_score, **how}
        known = self.store.get(key)
        if known is None:
            place = self.recall.key(key, candidate, row, subject, how)
            known = self.recall.get(place, subject)
            if known is None:
                return self._started(key, candidate, row, rank, subject, how, place)
            self.store.put(key, known)
            self.spend.reuse()
            self._judged = True
        return finished(known)

    def _started(  # noqa: PLR0913 - all that one run of a program is made of
        self, key: Key, candidate: Candidate, row: Any, rank: float, subject: Subject, how: Mapping[str, Any], place: bytes | None
    ) -> Handle:
        job = Rollout(
            program=self.program_of(candidate, subject),
            row=row,
            subject=subject,
            sample=key.sample,
            spend=self.spend,
            calls=self.journal.calls,
            purse=self.purse,
            **how,
        )
        again = (lambda: rollout(replace(job, fresh=True))) if self.options.hedge else None
        return self.strands.start(
            Work(lambda: rollout(job), rank, again, lambda outcome: self._kept(key, subject, outcome, place), self.journal.beaten)
        )

    def scores(self, candidate: Candidate, rows: Sequence[Any], **how: Any) -> list[Handle]:
        """One handle per row."""
        return [self.score(candidate, row, **how) for row in rows]

    def ask(self, name: str, flow: Callable[[], Flow[Any]], *, rank: float = -1.0, hedge: bool = True) -> Handle:
        """Start a flow that asks a model for something that is no row, say a proposal; yield the handle to get its value or exception.

        With `hedge=False` it is never started a second time because it takes long.
        """
        spent = JobMeter(self.spend)

        def job(fresh: bool) -> Flow[Any]:
            meter.set(spent)
            with context(trace=None, memory=self.recall.folder, **job_settings(self.spend, self.journal.calls, self.purse, fresh=fresh)):
                return (yield from flow())

        again = (lambda: job(True)) if hedge and self.options.hedge else None
        return self.strands.start(
            Work(lambda: job(False), rank, again, lambda outcome: self._answered(name, spent, outcome), lambda _: self._paid(name, spent))
        )

    def invest(self, what: str, usd: float | None) -> None:
        """Count what was paid for something that is no call, such as a training; once, however often the run is resumed."""
        if self.journal.note({"invested": what, "cost": usd}):
            self.spend.include(Spend(usd=usd))

    def trial(self, candidate: Candidate, rows: Sequence[Any]) -> Trial:
        """What is known of a candidate on these rows; rows that it has not been run on are left out."""
        handles = map(self._judged_on.get(candidate.hash, {}).get, map(self._name_of, rows))
        found = [handle.value for handle in handles if handle is not None and self.strands.sees(handle)]
        return Trial(candidate=candidate, scores=tuple(r.value for r in found), means=means_of(found))

    def known(self, candidate: Candidate, row: Any) -> Result | None:
        """The result of a candidate on a row, if whoever asks has waited for it: what a journal or another strand knows is yet to come."""
        handle = self._judged_on.get(candidate.hash, {}).get(self._name_of(row))
        return handle.value if handle is not None and self.strands.sees(handle) else None

    def announce(self, candidate: Candidate, rows: Sequence[Any]) -> None:
        """Tell evaluation handlers of a candidate that has been run on these rows."""
        evaluator = Evaluate(devset=list(rows), metric=self.task.metric.metric if self.task.metric is not None else None)
        if not handlers_of(evaluator):
            return
        found = [(row, self.known(candidate, row)) for row in rows]
        done = [
            Row(index=i, example=row, prediction=r.prediction, score=r.score, status="ok")
            for i, (row, r) in enumerate(found)
            if r is not None
        ]
        inputs = {"program": self.program_of(candidate), "metric": None, "devset": None, "callback_metadata": None}
        with observing("evaluate", evaluator, inputs) as call:
            call.outputs = EvaluationResult(done, self.options.failure_score)

    @property
    def rollouts(self) -> int:
        """How many program runs this search has asked for, those of an earlier session included."""
        return len(self._asked)

    def _kept(self, key: Key, subject: Subject, outcome: Result | Exception, place: bytes | None) -> Result:
        if not isinstance(outcome, Result):
            raise outcome
        self._count_failure(subject, outcome)
        lasting = outcome.status == "ok" or is_models_fault(outcome.failure)
        if outcome.failure is not None:
            outcome = replace(outcome, failure=None)
        self.store.put(key, outcome)
        if lasting:
            self.recall.put(place, outcome)
        self._show()
        return outcome

    def _answered(self, name: str, spent: JobMeter, outcome: Any) -> Any:
        self._paid(name, spent)
        if isinstance(outcome, Exception):
            if isinstance(outcome, _HOPELESS):
                raise outcome
            self.decide("failed", None, f"{name}: {type(outcome).__name__}: {outcome}")
            if cap := cap_behind(outcome, self.purse):
                self.stop(cap)
        return outcome

    def _paid(self, name: str, spent: JobMeter) -> None:
        """Write what was spent since the last look."""
        new = Meter(spent)
        del spent[: len(new)]  # calls that are noted meanwhile stand behind these
        self.journal.paid(name, new.calls, new.tokens, new.cost)

    # -- trouble ------------------------------------------------------------------------------------------------------------------------

    def _count_failure(self, subject: Subject, result: Result) -> None:
        failure = result.failure
        first, self._judged = not self._judged, self._judged or result.status in ("ok", "metric_error")
        if failure is None:
            return
        if isinstance(failure, _HOPELESS) and not is_models_fault(failure):
            raise failure
        if cap := cap_behind(failure, self.purse):
            self.stop(cap)
            return
        training = subject.name != self.student.name
        if is_models_fault(failure) and (not training or subject.exploring):
            return  # a candidate that leads the model astray is a bad candidate, and its score says so
        self.failures.add(result, failure, first=first)

    def _reason_to_stop(self) -> str | None:
        return self._reason or self.spend.reached(self.options.budget)

    # -- the whole ----------------------------------------------------------------------------------------------------------------------

    def flow(self, strand: Strand[Candidate]) -> Flow[Run]:
        """Run a recipe to its end, or to the end of the budget; Ctrl-C ends it with the best so far."""
        with ExitStack() as last:  # whatever else fails, say on a full disk
            for part in (self.line, self.recall, self.journal):
                last.callback(part.close)
            self.add(self.baseline)
            self.journal.note({"best": self.baseline.hash, "score": None})
            try:
                winner = yield from self.strands.flow(strand)
                self.run.best = self.add(winner)
                self.journal.note({"best": winner.hash, "score": self.run.curve[-1][1] if self.run.curve else None})
                self.run.stop_reason = self._reason or (self.run.stop_reason if self.run.stop_reason != "running" else "finished")
            except Stopped as stopped:
                self.run.stop_reason = stopped.reason
            except KeyboardInterrupt:
                self.run.stop_reason = "interrupted"
            except BaseException:
                with suppress(ConfigurationError):  # of two errors of one full disk the first says where it came from
                    self._close()
                raise
            self._close()
        return self.run

    def _close(self) -> None:
        run = self.run
        if left := self.spend.close():  # they will be paid for, whatever they cost
            self.journal.paid("left behind", left, 0, 0.0)
        trials = self.trials()
        if run.best is None:
            run.best = self._best_of(trials)
        run.trials = placed(trials, run.best)
        run.comparison = self._side_by_side(run.best)
        run.spend, run.rollouts = self.spend.spend, self.rollouts
        self.journal.note({"end": run.stop_reason})

    def trials(self) -> list[Trial]:
        """Every candidate that has a score on the rows to judge by."""
        seen = (self.trial(candidate, self.val) for candidate in self.run.candidates)
        return [trial for trial in seen if trial.scores]

    def _side_by_side(self, best: Candidate) -> list[tuple[Any, float | None, float | None]]:
        if best == self.baseline:
            return []
        rows = dict.fromkeys([*self.val, *self.train])
        pairs = [(row, self.known(self.baseline, row), self.known(best, row)) for row in rows]
        return [(row, before.value, after.value) for row, before, after in pairs if before is not None and after is not None]

    def _best_of(self, trials: Sequence[Trial]) -> Candidate:
        most = max((len(t.counted) for t in trials), default=0)
        judged = [t for t in trials if t.counted and len(t.counted) >= 0.6 * most]
        return ranked(judged)[0].candidate if judged else self.baseline

    def _show(self) -> None:
        if self.line.shown:
            spend, candidates = self.spend.spend, len(self.run.candidates)
            best = f"best {100 * self.run.curve[-1][1]:.1f} %, " if self.run.curve else ""
            used = f"{spend.calls:,} calls, {spend.money}, {spend.seconds:.0f} s{self._left()}"
            # A narrow terminal shows the beginning: what one waits for, then what it costs.
            self.line.show(f"{self.options.name}: {best}{used}, {candidates} candidates, {self.rollouts:,} runs asked for")

    def _left(self) -> str:
        budget, spend = self.options.budget, self.spend.spend
        shares = [spend.calls / budget.max_calls] if budget.max_calls else []
        shares += [spend.seconds / budget.max_seconds] if budget.max_seconds else []
        shares += [(spend.usd or 0) / budget.max_usd] if budget.max_usd else []
        shares += [sum(handle.done for handle in self._asked.values()) / self.options.most_runs] if self.options.most_runs else []
        share = max(shares, default=0.0)
        return f", at most {spend.seconds / share - spend.seconds:.0f} s left" if share > 0.02 else ""
