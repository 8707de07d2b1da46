"""What a run hands back: diff, trials, fronts, a report that needs nothing from outside."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import whet
from optimize.ruled import metric, model, rows
from whet.core.records import Score
from whet.errors import ConfigurationError
from whet.optimize.report import html_report
from whet.optimize.run import Run


@pytest.fixture(scope="module")
def run() -> Run:
    def parted(example: Any, prediction: Any, trace: Any = None) -> Score:
        score = metric(example, prediction)
        return Score(
            value=score.value, feedback=score.feedback + "<script>alert(1)</script>", parts={"brevity": 1 / len(prediction.verdict)}
        )

    with whet.context(lm=model()):
        program = whet.Auto(metric=parted, max_runs=150, num_threads=4).compile(
            whet.Predict("case -> verdict"), trainset=rows(60), valset=rows(40, start=500)
        )
    assert isinstance(program.run, Run)
    return program.run


def test_every_candidate_says_where_it_comes_from(run: Run) -> None:
    known = {c.hash for c in run.candidates}
    assert all(c.note for c in run.candidates)
    assert sum(any(p in known for p in c.parents) for c in run.candidates) >= len(run.candidates) - 1
    assert run.trial(run.best or "") is run.trials[0]
    assert run.trials[0].estimate is not None


def test_the_diff_shows_what_changed_and_nothing_else(run: Run) -> None:
    assert run.diff().startswith("--- self (before)\n+++ self (after)")
    assert run.baseline is not None and whet.optimize.run.diff_of(run.baseline.params, run.baseline.params) == ""


def test_fronts_over_several_objectives(run: Run) -> None:
    by_score = run.front()
    best = max(t.score or 0 for t in by_score)
    assert all(t.score == best for t in by_score)
    both = run.front("tokens")
    cheapest = min(both, key=lambda t: t.means["tokens"])
    assert {id(t) for t in by_score} & {id(t) for t in both} and cheapest.means["tokens"] <= both[0].means["tokens"]
    for a in both:
        for b in both:
            better = (a.score or 0) >= (b.score or 0) and a.means["tokens"] <= b.means["tokens"]
            assert not better or (a.score, a.means["tokens"]) == (b.score, b.means["tokens"])
    assert run.front("brevity")
    assert run.front("score") == by_score and run.front("score", "tokens") == both
    with pytest.raises(ConfigurationError, match="known ones: .*brevity"):
        run.front("charm")


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_one_sound_page_that_asks_nothing_of_the_network(run: Run, tmp_path: Path) -> None:
    page = run.report(tmp_path / "run.html")
    assert (tmp_path / "run.html").read_text(encoding="utf-8") == page
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in reader.tags}
    assert not re.search(r"https?://|url\(|@import", page)
    for part in ("What was gained", "Row by row", "Where they come from", "What was decided", "max_runs"):
        assert part in page


def test_the_summary_is_honest(run: Run) -> None:
    assert "biased upwards" in run.summary() and str(run.certificate) in run.summary()


def test_the_report_shows_what_got_worse_first_and_says_how_many_rows_there_are(run: Run) -> None:
    many = [*run.comparison, *((row, 1.0, 0.25) for row in rows(90, start=7000))]
    page = html_report(replace(run, comparison=many))
    table = page.split("Row by row")[1].split("</table>")[0]
    assert "90 rows got worse" in table and f"The first 100 of {len(many)} are shown" in table
    assert table.count('class="cut">0.25') == 90 and table.index("0.25") < table.index('class="add"')
