"""Every test, and every example in a docstring, runs with sockets on loopback only, a home and a cache of its own, and no real key."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent
GUARD = ROOT / "tests" / "guard"
sys.path.insert(0, str(GUARD))
if not hasattr(sys.modules.get("sitecustomize"), "OutsideLoopbackError"):
    sys.modules.pop("sitecustomize", None)  # a distribution may have its own
import sitecustomize as loopback  # noqa: E402 - its place is set just above

assert hasattr(loopback, "OutsideLoopbackError"), "another sitecustomize came first"

# Keys, endpoints, accounts and proxies of the machine that runs the tests.
_PRIVATE = re.compile(
    r"(_API_KEY|_API_KEYS|_API_BASE|_BASE_URL|_AUTH_TOKEN|_ACCESS_TOKEN|_API_TOKEN|_PROXY)$"
    r"|^(AWS|AZURE|DATABRICKS|GOOGLE|GEMINI|VERTEX|VERTEXAI|OPENAI|ANTHROPIC|OLLAMA|HF|HUGGINGFACE|WHET|OTEL|MLFLOW|WANDB)_",
    re.IGNORECASE,
)
# A slow machine is no failure, and CI sees the same examples each time; elsewhere they vary, so that new ones are found.
hypothesis.settings.register_profile(
    "whet", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("whet")

_HOME = tempfile.TemporaryDirectory(prefix="whet-tests-")
_count = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Cleans the environment before the first import of whet."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as under `make test &`: tests send it to themselves and to what they start
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [n for n in os.environ if _PRIVATE.search(n)]:
        del os.environ[name]
    home = Path(_HOME.name)
    os.environ.update(HOME=str(home), XDG_CACHE_HOME=str(home / "cache"), XDG_CONFIG_HOME=str(home / "config"), NO_COLOR="1")
    os.environ["WHET_CACHE_DIR"] = str(home / "whet")
    paths = [str(GUARD), str(ROOT / "src"), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes what the tests left behind."""
    _HOME.cleanup()


@pytest.fixture(autouse=True, scope="session")
def _no_real_calls() -> Iterator[None]:
    """whet's own fence, as `whet.testing.no_real_calls()` raises it, stands around the whole run."""
    from whet.core.http import everywhere

    everywhere.up = True
    yield
    everywhere.up = False


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache folder that no other test has seen; it is made by whoever writes to it."""
    monkeypatch.setenv("WHET_CACHE_DIR", str(Path(_HOME.name) / f"whet-{next(_count)}"))
    yield


@pytest.fixture(autouse=True)
def _own_settings() -> Iterator[None]:
    """What a test sets with `whet.configure` ends with it, and so does the history of its calls."""
    yield
    context = sys.modules.get("whet.core.context")
    if context is not None:
        context._Default.settings = context.Settings()
