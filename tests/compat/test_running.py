"""`python -m whet.compat.dspy` runs what it is given as `python` does, and the alias wins over a DSPy that is there as well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

RUN = [sys.executable, "-m", "whet.compat.dspy"]


def ran(*arguments: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *arguments], capture_output=True, text=True, cwd=cwd, timeout=120, check=False, **options)  # type: ignore[call-overload,no-any-return]


def wrote(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


CHILDREN = """import concurrent.futures, multiprocessing, subprocess, sys
import dspy

class Mine:
    def __init__(self, n): self.n = n

def work(mine):
    import dspy
    return dspy.__name__, Mine(mine.n + 1)

if __name__ == "__main__":
    print(dspy.__name__, subprocess.check_output([sys.executable, "-c", "import dspy; print(dspy.__name__)"], text=True).strip())
    for way in ("spawn", "fork"):
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(way)) as pool:
            (name, mine), = pool.map(work, [Mine(1)])
            print(way, name, type(mine) is Mine, mine.n)
"""


SEEN = "import sys, beside\nprint(sys.argv, sys.path[0], __file__, __spec__, beside.NAME)"


def checkout(folder: Path) -> Path:
    """A folder as DSPy's own repository is one: the package itself, and tests beside it."""
    wrote(folder, program=CHILDREN, test_it="import dspy\ndef test_it():\n    assert dspy.__name__ == 'whet'\n")
    wrote(folder / "dspy", __init__="raise RuntimeError('the other one')")
    return folder


@pytest.mark.parametrize("command", [("program.py",), ("-m", "program")])
def test_children_have_the_alias_though_another_dspy_stands_in_the_folder(command: tuple[str, ...], tmp_path: Path) -> None:
    done = ran(*command, cwd=checkout(tmp_path))
    assert done.stdout.splitlines() == ["whet whet", "spawn whet True 2", "fork whet True 2"], done.stderr
    assert "`import dspy` is whet here" in done.stderr and str(tmp_path / "dspy") in done.stderr


def test_workers_of_a_test_suite_in_such_a_folder_have_it_too(tmp_path: Path) -> None:
    done = ran("-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", "test_it.py", cwd=checkout(tmp_path))
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_sitecustomize_of_ones_own_is_still_run(tmp_path: Path) -> None:
    wrote(tmp_path / "own", sitecustomize="import builtins\nbuiltins.mine = 'mine'")
    done = ran("-c", "import dspy; print(mine, dspy.__name__)", cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "own")})
    assert done.stdout.split() == ["mine", "whet"], done.stderr


def test_a_script_sees_what_it_would_by_itself(tmp_path: Path) -> None:
    wrote(
        tmp_path / "real",
        beside="NAME = 'beside'",
        script="import sys, beside\nprint(sys.argv, sys.path[0], __file__, __spec__, beside.NAME)",
    )
    wrote(tmp_path / "elsewhere", beside="NAME = 'of the folder that the command is given in'")
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "script.py")
    for script in ("../real/script.py", "../link.py"):
        by_itself = subprocess.run(
            [sys.executable, script, "a"], capture_output=True, text=True, cwd=tmp_path / "elsewhere", check=True
        ).stdout
        assert ran(script, "a", cwd=tmp_path / "elsewhere").stdout.split() == by_itself.replace("/elsewhere/..", "").split()
    assert not (tmp_path / "real" / "__pycache__" / f"script.{sys.implementation.cache_tag}.pyc").exists()


@pytest.mark.parametrize(("text", "said"), [
    ("def f():\n    raise KeyError('mine')\nf()\n", "line 3, in <module>\n    f()\n"),
    ("x = = 3\n", "line 1\n    x = = 3\n"),
])  # fmt: skip
def test_what_fails_shows_the_programs_own_frames(text: str, said: str, tmp_path: Path) -> None:
    done = ran("program.py", cwd=wrote(tmp_path, program=text))
    by_itself = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (1, by_itself.stderr) and said in done.stderr
    assert ran("-m", "program", cwd=tmp_path).stderr.endswith(by_itself.stderr.partition("\n")[2])


def test_threads_that_outlive_the_script_pickle_what_it_defines(tmp_path: Path) -> None:
    text = (
        "import atexit, pickle, threading, time\nclass Mine: pass\n"
        "def late():\n    time.sleep(0.3)\n    print(type(pickle.loads(pickle.dumps(Mine()))) is Mine)\n"
        "threading.Thread(target=late).start()\natexit.register(lambda: print(len(pickle.dumps(Mine())) > 0))\n"
    )
    done = ran("program.py", cwd=wrote(tmp_path, program=text))
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_folders_archives_and_packages(tmp_path: Path) -> None:
    wrote(tmp_path / "full", __main__="import sys, dspy\nprint(sys.argv[1:], dspy.__name__)")
    wrote(tmp_path / "bare", __init__="")
    with zipfile.ZipFile(tmp_path / "full.zip", "w") as archive:
        archive.write(tmp_path / "full" / "__main__.py", "__main__.py")
    for command in (("full",), ("full.zip",), ("-m", "full")):
        assert ran(*command, "a", cwd=tmp_path).stdout.split() == ["['a']", "whet"]
    for command, says in ((("bare",), "without a `__main__.py`"), (("-m", "bare"), "without a `__main__` module")):
        done = ran(*command, cwd=tmp_path)
        assert done.returncode == 1 and says in done.stderr and "Traceback" not in done.stderr
    assert "usage: " in ran("-m", "json.tool", "--help", cwd=tmp_path).stdout, "a module of a package that nobody has imported"


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("by_name", [True, False])
def test_an_interrupt_ends_a_program_as_python_does(by_name: bool, tmp_path: Path) -> None:
    text = "import time\nprint('on', flush=True)\ntime.sleep(60)\n"
    wrote(tmp_path, program=text)
    command = [*RUN, "program.py"] if by_name else [*RUN, "-c", text]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert started.stdout is not None and started.stdout.readline() == "on\n"
    started.send_signal(signal.SIGINT)
    assert "whet" not in started.communicate(timeout=20)[1] and started.returncode == -signal.SIGINT
