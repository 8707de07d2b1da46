"""STORM: sections side by side, citations that exist and support, two models by role, and a killed run that repeats no call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from research.storm import bad_citations

from examples.storm_run import article
from whet.evaluate.metrics.structure import cited_ids

ROOT = Path(__file__).resolve().parents[2]


def test_the_article_is_cited_and_written_side_by_side(tmp_path: Path) -> None:
    made = article(tmp_path / "log")
    assert made.headings == ["History", "Economy", "Castles", "People"]
    assert made.article.count("\n## ") == 4 and made.article.startswith("Merrowby is a town.")
    cited = cited_ids(made.article)
    assert len(cited) >= 4 and set(cited) <= set(made.sources)
    assert bad_citations(made.article, made.sources) == []
    assert bad_citations("The moon is made of cheese [1]. Nobody knows [99].", made.sources) != []
    talker, writer = made.models
    assert talker.calls == 1 + 3 * 2 * 3 and writer.calls == 2 + 4 + 1
    assert talker.most > 1 and writer.most > 1


def run(log: Path, last: int, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "WHET_CACHE_DIR": str(cache)}
    command = [sys.executable, str(ROOT / "tests" / "examples" / "storm_run.py"), str(log), str(last)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_killed_run_goes_on_and_repeats_no_call(tmp_path: Path) -> None:
    log = tmp_path / "log"
    killed = run(log, 12, tmp_path / "cache")
    answered = log.read_text().splitlines()
    assert killed.returncode == -9 and len(answered) == 12
    resumed = run(log, 0, tmp_path / "cache")
    assert resumed.stdout.strip().endswith("done"), resumed.stderr[-2000:]
    everything = log.read_text().splitlines()
    assert len(everything) == len(set(everything)) == 26
