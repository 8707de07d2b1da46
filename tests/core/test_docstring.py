"""Where Python has thrown docstrings away, that is told, once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import whet

class Answer(whet.Signature):
    '''Answer briefly.'''
    question: str = whet.InputField()
    answer: str = whet.OutputField()

def look(x: str) -> str:
    '''Look it up.'''
    return x

def quiet(x: str) -> str:
    return x

whet.Tool(look)
whet.Tool(quiet)
print(Answer.instructions)
"""


@pytest.mark.parametrize(("level", "instructions", "told"), [("1", "Answer briefly.", 0), ("2", "Given the fields `question`", 1)])
def test_lost_docstrings_are_told_once(level: str, instructions: str, told: int) -> None:
    environment = {**os.environ, "PYTHONOPTIMIZE": level, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(instructions), done
    assert done.stderr.count("RuntimeWarning: Python runs with -OO") == told, done.stderr
