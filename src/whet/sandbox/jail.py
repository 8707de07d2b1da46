"""The command line that starts CPython in a `bubblewrap` sandbox: what it sees of the machine is listed here, and nothing else."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

__all__ = ["PACKAGES", "SCRATCH_BYTES", "command"]

SCRATCH = "/work"
PACKAGES = "/packages"
PROGRAM = "/program"
SCRATCH_BYTES = 64 * 1024 * 1024
_START = f"import sys; sys.path.insert(0, {PROGRAM!r}); from whet.sandbox.guest import main; main()"
_ENVIRONMENT = {"LANG": "C.UTF-8", "HOME": SCRATCH, "TMPDIR": SCRATCH, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl/certs")


def command(*, network: bool, packages: Iterable[str], seed: int, filter_fd: int, info_fd: int) -> list[str]:
    """The command; `seed` orders sets of text; the descriptors are where bubblewrap reads the filter and tells the process id."""
    words = [shutil.which("bwrap") or "bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += [] if network else ["--unshare-net"]
    words += ["--uid", "65534", "--gid", "65534", "--hostname", "sandbox", "--cap-drop", "ALL"]
    words += ["--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]
    for name, value in {**_ENVIRONMENT, "PYTHONHASHSEED": str(seed)}.items():
        words += ["--setenv", name, value]
    words += _libraries() + _python() + _program()
    for name in packages:
        words += _package(name)
    for path in (*_DEVICES, *(_NETWORK_FILES if network else ())):
        kind = "--dev-bind-try" if path.startswith("/dev/") else "--ro-bind-try"
        words += [kind, path, path]
    words += ["--size", str(SCRATCH_BYTES), "--tmpfs", SCRATCH, "--symlink", SCRATCH, "/tmp", "--remount-ro", "/", "--chdir", SCRATCH]
    words += ["--seccomp", str(filter_fd), "--info-fd", str(info_fd)]
    return [*words, "--", os.path.realpath(sys.executable), "-P", "-s", "-S", "-B", "-X", "utf8", "-c", _START]


def _libraries() -> list[str]:
    words = []
    for path in _LIBRARIES:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    return words


def _python() -> list[str]:
    """The running interpreter and its standard library, without the packages installed beside it."""
    program, library = os.path.realpath(sys.executable), os.path.dirname(os.__file__)
    words = ["--ro-bind", program, program, "--ro-bind", library, library]
    for name in ("site-packages", "dist-packages"):
        if os.path.isdir(os.path.join(library, name)):
            words += ["--size", "4096", "--tmpfs", os.path.join(library, name), "--remount-ro", os.path.join(library, name)]
    modules = sysconfig.get_config_var("DESTSHARED")
    if modules and os.path.isdir(modules) and not modules.startswith(library + os.sep):
        words += ["--ro-bind", modules, modules]
    directory, shared = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LDLIBRARY")
    # Below /usr/lib it is there already, and bubblewrap refuses to mount on the links beside it.
    if directory and shared and ".so" in shared and not directory.startswith(tuple(f"{root}/" for root in _LIBRARIES)):
        for path in Path(directory).glob(f"{shared.split('.so')[0]}.so*"):
            words += ["--ro-bind", str(path), str(path)]
    return words


def _program() -> list[str]:
    here = Path(__file__).parent
    words: list[str] = []
    for name in ("guest.py", "wire.py"):
        words += ["--ro-bind", str(here / name), f"{PROGRAM}/whet/sandbox/{name}"]
    return words


def _package(name: str) -> list[str]:
    """An installed package and the libraries that its wheel carries; nothing where it is not installed."""
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    if found is None or not found.origin:
        return []
    home = Path(found.origin).parent
    if not found.submodule_search_locations:
        return ["--ro-bind", found.origin, f"{PACKAGES}/{Path(found.origin).name}"]
    words = ["--ro-bind", str(home), f"{PACKAGES}/{name}"]
    beside = home.parent / f"{name}.libs"
    return words + (["--ro-bind", str(beside), f"{PACKAGES}/{beside.name}"] if beside.is_dir() else [])
