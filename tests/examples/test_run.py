"""Every program runs by itself, says what answers it, and prints numbers; two take a model of one's own."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from research import dsp, storm

import whet
from whet.testing import ScriptedLM

FOLDER = Path(dsp.__file__).parent
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))


def test_all_fourteen_are_there() -> None:
    listed = [line.split("(")[1].split(")")[0] for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| [")]
    assert len(PROGRAMS) == 14
    assert sorted(listed) == [f"{name}.py" for name in PROGRAMS]


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "leret"])
def test_it_prints_what_it_shows(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module(f"research.{name}").main()
    note, *lines = capsys.readouterr().out.splitlines()
    assert note.startswith("(A scripted ") and len(lines) > 1 and any(letter.isdigit() for letter in "".join(lines))


def test_a_program_finds_its_scripted_model_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(FOLDER / "hindsight.py")], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "by the guide" in done.stdout and done.stderr == ""


def test_dsp_and_storm_run_with_a_model_of_ones_own(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "query": "Merrowby", "answer": "Merrowby", "reasoning": "r", "perspectives": ["history"], "question": "q", "queries": ["Merrowby"],
        "outline": ["Past"], "headings": ["Past"], "section": "It is a town [9].", "lead": "A town.",
    }  # fmt: skip
    lm = ScriptedLM(lambda request: {name: value for name, value in answers.items() if f"[[ ## {name} ## ]]" in request.messages[0].text})
    monkeypatch.setattr(whet, "LM", lambda model: lm)
    storm.main("openai/any")
    assert "1 sentences cite what does not support them" in capsys.readouterr().out
    dsp.main("openai/any")
    assert "with demonstrations: 0.0 %" in capsys.readouterr().out
