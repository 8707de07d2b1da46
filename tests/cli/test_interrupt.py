"""Ctrl-C ends a command with one line and 130, also while its modules are still loading."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from whet.cli import interruptible

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.py"
# Sends itself the signal of Ctrl-C at the moment when a module is about to be imported.
INTERRUPTED = """
import os, runpy, signal, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
{run}
"""
DOCTOR = "from whet.cli import main; sys.exit(main(['doctor']))"
DEMO = f"sys.argv[1:] = ['--short']; runpy.run_path({str(QUICKSTART)!r}, run_name='__main__')"


def interrupted_at(module: str, run: str) -> subprocess.CompletedProcess[str]:
    program = INTERRUPTED.format(module=module, run=run)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("module", "run"),
    [
        ("argparse", DOCTOR),
        ("whet.cli.doctor", DOCTOR),
        ("whet.errors", DOCTOR),
        ("whet.evaluate.evaluate", DOCTOR),
        ("argparse", DEMO),
        ("whet.datasets", DEMO),
        ("whet.core.signature", DEMO),
        ("whet.optimize.journal", DEMO),
    ],
)
def test_ctrl_c_while_modules_load_is_one_line(module: str, run: str) -> None:
    ended = interrupted_at(module, run)
    assert ended.returncode == 130, ended.stderr
    assert ended.stderr.split() == ["Interrupted."]


def test_the_status_of_the_work_is_handed_on() -> None:
    assert interruptible(lambda: 3) == 3
    assert interruptible(lambda: None) == 0
