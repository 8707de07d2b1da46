"""A model of this machine behind a server process of its own (vLLM, SGLang or transformers): started, looked at, stopped, its log kept."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whet.core.exchange import Request, Response
from whet.core.flow import Flow, Sleep
from whet.core.http import HttpRequest, send
from whet.errors import ConfigurationError, LMError, LMNotConfiguredError, LMTransportError
from whet.lm import keeper
from whet.lm.endpoint import Endpoint
from whet.lm.facts import Price, facts_of
from whet.lm.home import find_model, home_folder, manifest_of, verify
from whet.lm.site.access import access_of

__all__ = ["COMMANDS", "LaunchOptions", "ModelServer", "ServerSource", "start_server"]

# What is run for each, in the order in which they are looked for. Nothing listens outside this machine.
COMMANDS: Final[Mapping[str, str]] = {
    "vllm": "vllm serve {folder} --host {host} --port {port} --served-model-name {name}",
    "sglang": "sglang serve --model-path {folder} --host {host} --port {port} --served-model-name {name}",
    "transformers": "transformers serve {folder} --host {host} --port {port}",
}
HOST: Final = "127.0.0.1"
_LOOK_EVERY: Final = 0.1
_NOTICED: Final = 0.5  # a connection breaks a moment before its process is seen to have ended
_PATIENCE: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """How to start a server: which one (default: the first that is on PATH), at which port (default: a free one), with which further
    arguments of its command line, and how many seconds it may take until it answers."""

    server: str | None = None
    port: int | None = None
    args: Sequence[str] = ()
    timeout: float = 1800.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> LaunchOptions:
        """From the `launch_kwargs` of an LM. Raises `ConfigurationError` for what cannot work."""
        known = cls.__dataclass_fields__
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ConfigurationError(f"`launch` has no option `{unknown[0]}`; it has: {', '.join(known)}.")
        made = cls(**given)
        if made.server is not None and made.server not in COMMANDS:
            raise ConfigurationError(f"`server` is {made.server!r}; there are: {', '.join(COMMANDS)}.")
        if made.port is not None and (isinstance(made.port, bool) or not isinstance(made.port, int) or not 0 < made.port < 65536):
            raise ConfigurationError(f"`port` is {made.port!r}; a port is a number from 1 to 65535.")
        if isinstance(made.args, str) or not all(isinstance(arg, str) for arg in made.args):
            raise ConfigurationError(f"`args` is {made.args!r}; it is a list of texts, such as ['--max-model-len', '4096'].")
        if not isinstance(made.timeout, int | float) or made.timeout <= 0:
            raise ConfigurationError(f"`timeout` is {made.timeout!r}; it is a number of seconds above 0.")
        return made

    def command(self, folder: Path, port: int) -> list[str]:
        """The command line, its program looked up on PATH. Raises `LMNotConfiguredError` where there is none."""
        wanted = [self.server] if self.server else list(COMMANDS)
        program = next((name for name in wanted if shutil.which(name)), None)
        if program is None:
            raise LMNotConfiguredError(
                f"No server for this model: {' and '.join(f'`{name}`' for name in wanted)} not found on PATH. Install one, for example "
                "with `pip install vllm` (or `sglang`, or `transformers[serving]`), or ask the model in this process without `launch`."
            )
        parts = {"folder": str(folder), "host": HOST, "port": str(port), "name": folder.name}
        words = [word.format(**parts) for word in COMMANDS[program].split()]
        return [str(shutil.which(program)), *words[1:], *self.args]


class ModelServer:
    """A running server: `url`, `name` (what the model is called there), `log` (a file), `healthy()`, `logs()`, `stop()`.

    It is stopped when nobody holds it any longer, when this program ends, and when it is killed.
    """

    def __init__(self, model: str, folder: Path, command: Sequence[str], port: int) -> None:
        self.model, self.name, self.port = model, folder.name, port
        self.url = f"http://{HOST}:{port}/v1"
        logs = home_folder("servers")
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log = logs / f"{folder.name}-{time.strftime('%Y%m%d-%H%M%S')}-{port}.log"
        kept = [sys.executable, str(Path(keeper.__file__)), str(os.getpid()), *command] if os.name == "posix" else list(command)
        with open(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            self.process = subprocess.Popen(kept, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._stop = weakref.finalize(self, _stopped, self.process)

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process.poll() is None

    def healthy(self) -> bool:
        """Whether it answers, says that it is well, and has this model."""
        try:
            health = send(HttpRequest(url=f"http://{HOST}:{self.port}/health", method="GET", timeout=5.0)).status
            if health != 404 and not 200 <= health < 300:
                return False
            answer = send(HttpRequest(url=f"{self.url}/models", method="GET", timeout=5.0))
            listed = [str(model.get("id")) for model in json.loads(answer.body)["data"]]
        except (LMError, ValueError, KeyError, TypeError, AttributeError):
            return False
        found = next((name for name in listed if name == self.name or Path(name).name == self.name), None)
        self.name = found or self.name
        return found is not None

    def logs(self) -> str:
        """What it wrote to its standard output and error."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, timeout: float) -> None:
        """Wait until it is healthy. Raises `LMNotConfiguredError` when it ends before that, or takes longer; it is stopped then."""
        until = time.monotonic() + timeout
        while not self.healthy():
            late = time.monotonic() > until
            if late or not self.running:
                self.stop()
                how = f"did not answer within {timeout:g} s" if late else f"ended with code {self.process.returncode}"
                raise LMNotConfiguredError(
                    f"The server of `{self.model}` {how}. It said at last: {self._last_words()} Its log is `{self.log}`.", model=self.model
                )
            time.sleep(_LOOK_EVERY)

    def stop(self) -> None:
        """Stop it with all that it started; nothing to do for one that has ended."""
        self._stop()

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.logs().splitlines() if line.strip()]
        return lines[-1][:300] if lines else "nothing."

    def __repr__(self) -> str:
        return f"ModelServer({self.model!r}, {self.url!r}, {'running' if self.running else 'stopped'})"


def start_server(model: str, given: Mapping[str, Any]) -> ModelServer:
    """A server for `local:<folder or name>` that answers. Everything that can be wrong is looked at before it is started."""
    options = LaunchOptions.of(given)
    folder = find_model(model.partition(":")[2]).resolve()
    if not (folder / "config.json").is_file():
        raise ConfigurationError(f"`{folder}` has no `config.json`: it is no Hugging Face model, and no server can serve it.")
    if manifest_of(folder) is not None:
        verify(folder)
    port = options.port or _free_port()
    server = ModelServer(model, folder, options.command(folder, port), port)
    try:
        server.wait(options.timeout)
    except BaseException:
        server.stop()
        raise
    return server


class ServerSource:
    """What asks a model at its server."""

    def __init__(self, server: ModelServer, price: Price | None, capabilities: Any) -> None:
        self.server = server
        self.facts = facts_of(f"openai/{server.name}", price, capabilities)
        self.endpoint = Endpoint(self.facts, access_of({"api_base": server.url, "api_key": "local"}))

    def flow(self, request: Request) -> Flow[Response]:
        """One answer. Raises `LMNotConfiguredError`, with its last words, for a server that has ended."""
        try:
            return (yield from self.endpoint.flow(request))
        except LMTransportError as error:
            yield Sleep(_NOTICED)
            if self.server.running:
                raise
            raise LMNotConfiguredError(
                f"The server of `{self.server.model}` has ended (code {self.server.process.returncode}). It said at last: "
                f"{self.server._last_words()} Its log is `{self.server.log}`. Start it again: `lm.launch()`.",
                model=self.server.model,
            ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _stopped(process: subprocess.Popen[bytes]) -> None:
    """Ask the process and what it started to end, and end them if they do not."""
    for name in ("SIGTERM", "SIGKILL"):
        if process.poll() is not None:
            return
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, getattr(signal, name))
        else:
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
