"""Shared by the bench_*.py scripts: running workers interleaved, the stub server, tables.

Each script has two roles.  As a *worker* (`--worker ...`) it measures one thing in the interpreter
it runs under and prints one JSON object on its last line.  As a *driver* (no `--worker`) it starts
workers in the virtual environment of each library, in turn, round after round (A B C A B C ...), so
that a machine that slows down slows all of them, and prints medians with min-max.
"""

import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENVS = Path(os.environ.get("BENCH_VENVS", Path.home() / ".cache" / "whet-bench"))
CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
PIN = os.environ.get("BENCH_PIN", "1") == "1" and len(CPUS) >= 2
SERVER_CPU, CLIENT_CPU = (CPUS[0], CPUS[-1])


# -- interpreters


def python_of(name):
    """The interpreter that has the library, or None.

    BENCH_PY_<NAME> wins (e.g. BENCH_PY_WHET=/path/python), then $BENCH_VENVS/<name>/bin/python, then
    this interpreter when the library can be imported here.
    """
    named = os.environ.get(f"BENCH_PY_{name.upper()}")
    if named:
        return named
    own = VENVS / name / "bin" / "python"
    if own.exists():
        return str(own)
    import importlib.util

    try:
        if importlib.util.find_spec(name):
            return sys.executable
    except (ImportError, ValueError):
        pass
    return None


def framework_libs(asked=None):
    """The DSPy-compatible libraries to measure: those asked for, else dspy and (when it is there) whet."""
    names = asked.split(",") if asked else ["dspy", "whet"]
    out = []
    for name in names:
        py = python_of(name)
        if py:
            out.append((name, py))
        elif asked:
            sys.exit(f"no interpreter has {name!r}: set BENCH_PY_{name.upper()} or make {VENVS / name}")
    return out


def load(name):
    """Import a DSPy-compatible library by name, quietly."""
    import importlib
    import logging
    import warnings

    warnings.simplefilter("ignore")
    lib = importlib.import_module(name)
    logging.disable(logging.WARNING)
    return lib


def version_of(python, dist):
    code = f"import importlib.metadata as m;print(m.version({dist!r}))"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60).stdout.strip() or "?"
    except (OSError, subprocess.SubprocessError):
        return "?"


# -- running


def pinner(cpu):
    return (lambda: os.sched_setaffinity(0, {cpu})) if PIN and cpu is not None else None


def run_worker(python, script, args, *, timeout=600, env=None, cpu=None):
    """One worker; its metrics as a dict, {'error': text} when it fails."""
    cmd = [python, str(script), "--worker", *map(str, args)]
    full = {**os.environ, "PYTHONWARNINGS": "ignore", "LITELLM_LOCAL_MODEL_COST_MAP": "True", **(env or {})}
    try:
        p = subprocess.run(cmd, capture_output=True, text=True, timeout=timeout, env=full, preexec_fn=pinner(cpu))
    except subprocess.TimeoutExpired:
        return {"error": f"timed out after {timeout} s"}
    lines = [x for x in p.stdout.strip().splitlines() if x.startswith("{")]
    if p.returncode or not lines:
        tail = (p.stderr.strip().splitlines() or ["no output"])[-1]
        return {"error": f"rc={p.returncode} {tail[:200]}"}
    return json.loads(lines[-1])


def interleave(jobs, repeat, *, timeout=600, progress=True):
    """jobs: [(label, callable -> dict)].  Returns {label: {metric: [values]}}, run round by round."""
    out = {label: {} for label, _ in jobs}
    for r in range(repeat):
        for label, job in jobs:
            got = job()
            if progress:
                short = {k: (round(v, 3) if isinstance(v, float) else v) for k, v in got.items()}
                print(f"  [{r + 1}/{repeat}] {label}: {short}", file=sys.stderr, flush=True)
            for key, value in got.items():
                out[label].setdefault(key, []).append(value)
    return out


def med(values):
    nums = [v for v in values or [] if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return statistics.median(nums) if nums else None


def fmt(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or float(value).is_integer() and abs(value) >= 100:
        return f"{int(value)}"
    a = abs(value)
    return f"{value:.0f}" if a >= 100 else f"{value:.1f}" if a >= 10 else f"{value:.2f}" if a >= 0.1 else f"{value:.4f}"


def spread(values):
    """'median [min-max]'"""
    nums = [v for v in values or [] if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if not nums:
        return "-"
    if len(nums) == 1 or min(nums) == max(nums):
        return fmt(med(nums))
    return f"{fmt(med(nums))} [{fmt(min(nums))}-{fmt(max(nums))}]"


def failed(m):
    """'' or what to print beside the numbers of a label of which some runs failed."""
    return f" ({len(m['error'])} runs failed: {m['error'][0][:60]})" if m.get("error") else ""


def table(head, rows):
    """A Markdown table."""
    rows = [[str(c) for c in row] for row in rows]
    width = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]

    def line(row):
        return "| " + " | ".join(str(cell).ljust(w) for cell, w in zip(row, width, strict=True)) + " |"

    return "\n".join([line(head), "|" + "|".join("-" * (w + 2) for w in width) + "|", *map(line, rows)])


def save(path, name, data, libs=None):
    """Keep the raw numbers, for the one table of run_all.sh."""
    if not path:
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"bench": name, "python": sys.version.split()[0], "libs": libs or {}, "data": data}, indent=1))


def emit(**metrics):
    print(json.dumps(metrics), flush=True)


# -- measuring inside a worker


def rss_mb():
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def peak_rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_s():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def per_call(fn, n, rounds=5, warm=20):
    """(median wall us, median cpu us) of fn() over `rounds` rounds of n calls."""
    for _ in range(warm):
        fn()
    wall, cpu = [], []
    for _ in range(rounds):
        c, t = cpu_s(), time.perf_counter()
        for _ in range(n):
            fn()
        wall.append((time.perf_counter() - t) / n * 1e6)
        cpu.append((cpu_s() - c) / n * 1e6)
    return statistics.median(wall), statistics.median(cpu)


async def aper_call(fn, n, rounds=5, warm=20):
    for _ in range(warm):
        await fn()
    wall, cpu = [], []
    for _ in range(rounds):
        c, t = cpu_s(), time.perf_counter()
        for _ in range(n):
            await fn()
        wall.append((time.perf_counter() - t) / n * 1e6)
        cpu.append((cpu_s() - c) / n * 1e6)
    return statistics.median(wall), statistics.median(cpu)


# -- the stub server


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class StubServer:
    """`with StubServer() as s: s.url(latency_ms=50)`; pinned to the first core when there are two."""

    def __init__(self, *args, seconds=1800):
        self.port = free_port()
        py = VENVS / "stub" / "bin" / "python"  # with uvloop and orjson the server is further from being the limit
        self.cmd = [
            str(py) if py.exists() else sys.executable,
            str(HERE / "stub_server.py"),
            "--port",
            str(self.port),
            "--seconds",
            str(seconds),
            *map(str, args),
        ]

    def __enter__(self):
        self.p = subprocess.Popen(self.cmd, stdout=subprocess.DEVNULL, preexec_fn=pinner(SERVER_CPU))
        for _ in range(200):
            with contextlib.suppress(OSError):
                self.stats()
                return self
            time.sleep(0.05)
        self.p.kill()
        raise RuntimeError("the stub server did not start")

    def __exit__(self, *exc):
        self.p.terminate()
        self.p.wait(10)

    def _get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as r:
            return json.load(r)

    def stats(self):
        return self._get("/stats")

    def reset(self):
        return self._get("/stats/reset")

    def url(self, latency_ms=0, interval_ms=0, words=0):
        knobs = [f"{k}{v:g}" for k, v in (("l", latency_ms), ("i", interval_ms), ("w", words)) if v]
        return f"http://127.0.0.1:{self.port}{'/' if knobs else ''}{','.join(knobs)}/v1"


# -- in-process instant models

# A name the libraries' price maps know: dspy and litellm spend far longer on a name they do not.
MODEL = "gpt-4o-mini"
ANSWER = "[[ ## answer ## ]]\nthe stub says so\n\n[[ ## completed ## ]]"


class Obj:
    """An OpenAI-shaped response made of plain attributes."""

    def __init__(self, **kw):
        self.__dict__.update(kw)


def openai_shaped(text, model="instant"):
    return Obj(
        model=model,
        usage={"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        choices=[
            Obj(
                index=0,
                finish_reason="stop",
                logprobs=None,
                message=Obj(role="assistant", content=text, tool_calls=None, reasoning_content=None),
            )
        ],
    )


def instant_lm(lib, kind, text=ANSWER, cache=False):
    """A model that answers at once, in this process.

    kind 'baselm': a BaseLM subclass with forward and aforward, which works with any DSPy-compatible library
    kind 'native': what the library itself recommends
    """
    if kind == "baselm":
        reply = openai_shaped(text)

        class InstantLM(lib.BaseLM):
            def __init__(self):
                super().__init__("instant", "chat", 0.0, 1000, cache)

            def forward(self, prompt=None, messages=None, **kwargs):
                return reply

            async def aforward(self, prompt=None, messages=None, **kwargs):
                return reply

        return InstantLM()
    if kind == "native":
        return native_lm(lib, text)
    raise ValueError(kind)


def native_lm(lib, text):
    """The same in the words of the library itself: an engine of DSPy's, a `complete` method of whet's."""
    if lib.__name__ == "whet":

        class Instant(lib.BaseLM):
            def complete(self, request):
                return text

        return Instant("instant", cache=False)
    lm15 = lib.lm15
    message = lm15.Message.assistant([lm15.TextPart(text)])
    usage = lm15.Usage(input_tokens=100, output_tokens=10, total_tokens=110)
    reply = lm15.Response(id=None, model="instant", message=message, finish_reason="stop", usage=usage)

    class Engine:
        def complete(self, request):
            return reply

        def close(self):
            pass

    class AsyncEngine:
        async def complete(self, request):
            return reply

        async def aclose(self):
            pass

    return lib.LM("instant", engine=Engine(), async_engine=AsyncEngine(), cache=False)


# -- the two signatures measured


def tiny_signature(lib):
    return lib.Signature("question -> answer")


def big_signature(lib):
    """10 output and 3 input fields: nested models, lists, Literal, Optional, dict; with 8 whole demos."""
    from typing import Literal

    import pydantic

    class Address(pydantic.BaseModel):
        street: str
        city: str
        zip: int

    class Person(pydantic.BaseModel):
        name: str
        age: int
        address: Address
        tags: list[str]

    class Extract(lib.Signature):
        """Read the report and fill every field, keeping to the text."""

        report: str = lib.InputField(desc="the text to read")
        hints: list[str] = lib.InputField()
        reader: Person = lib.InputField()
        title: str = lib.OutputField()
        summary: str = lib.OutputField(desc="two sentences")
        count: int = lib.OutputField()
        score: float = lib.OutputField()
        urgent: bool = lib.OutputField()
        kind: Literal["news", "memo", "letter"] = lib.OutputField()
        keywords: list[str] = lib.OutputField()
        author: Person = lib.OutputField()
        people: list[Person] = lib.OutputField()
        extra: dict[str, float] | None = lib.OutputField()

    def person(i):
        return Person(name=f"Name {i}", age=30 + i, address=Address(street=f"{i} High St", city="Leeds", zip=1000 + i), tags=["a", f"t{i}"])

    def inputs(i):
        return {
            "report": f"Report {i}. " + "The quick brown fox jumps over the lazy dog. " * 12,
            "hints": ["be short", f"hint {i}"],
            "reader": person(i),
        }

    def outputs(i):
        return {
            "title": f"Title {i}",
            "summary": "It is short. It says little.",
            "count": i,
            "score": 0.5 + i,
            "urgent": bool(i % 2),
            "kind": ("news", "memo", "letter")[i % 3],
            "keywords": ["fox", "dog", f"k{i}"],
            "author": person(i),
            "people": [person(i), person(i + 1)],
            "extra": {"x": 1.5, "y": float(i)},
        }

    demos = [lib.Example(**inputs(i), **outputs(i)).with_inputs("report", "hints", "reader") for i in range(8)]

    def to_text(v):
        if isinstance(v, pydantic.BaseModel):
            return v.model_dump_json()
        if isinstance(v, list) and v and isinstance(v[0], pydantic.BaseModel):
            return "[" + ", ".join(x.model_dump_json() for x in v) + "]"
        return v if isinstance(v, str) else str(v) if isinstance(v, bool) else json.dumps(v)

    completion = "\n\n".join(f"[[ ## {k} ## ]]\n{to_text(v)}" for k, v in outputs(3).items()) + "\n\n[[ ## completed ## ]]"
    json_completion = json.dumps(
        {k: json.loads(to_text(v)) if not isinstance(v, (str, bool)) else v for k, v in outputs(3).items()}, indent=2
    )
    return Extract, demos, inputs(9), completion, json_completion
