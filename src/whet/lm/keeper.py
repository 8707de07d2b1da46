"""Runs a command for a program and ends it with that program: `python keeper.py <pid of the program> <command> ...`.

A model server that outlived the program that started it would hold its memory, on a GPU most of it, for nobody.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

LOOK_EVERY = 0.2
PATIENCE = 10.0


def keep(parent: int, command: list[str]) -> int:
    """Runs the command until it ends, or until the parent has gone; its exit code."""
    # A handler, not SIG_IGN: the command would inherit that. Being asked to stop, the keeper waits until the command has.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with subprocess.Popen(command) as process:
        while not _ended(process, LOOK_EVERY):
            if os.getppid() != parent:
                os.killpg(0, signal.SIGTERM)
                if not _ended(process, PATIENCE):
                    os.killpg(0, signal.SIGKILL)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _ended(process: subprocess.Popen[bytes], within: float) -> bool:
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2:]))
