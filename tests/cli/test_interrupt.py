"""Ctrl-C ends a command with one line and 130, also while its modules are still loading; a full disk ends the demo with one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from whet.cli import interruptible, main

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


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of a file's size")
def test_a_full_disk_ends_the_demo_with_one_line_that_says_so(tmp_path: Path) -> None:
    limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)); "
    demo = DEMO.replace("'--short'", f"'--short', '--out', {str(tmp_path)!r}")
    ended = subprocess.run([sys.executable, "-c", limited + demo], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    told = ended.stderr.strip()
    assert "\n" not in told and "cannot be written" in told and "goes on" in told, told


def test_an_error_that_is_not_ours_keeps_its_traceback() -> None:
    def broken() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interruptible(broken)


def test_a_file_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "nosuch.json"]) == 2
    assert capsys.readouterr().err.splitlines() == ["whet prices: [Errno 2] No such file or directory: 'nosuch.json'"]
