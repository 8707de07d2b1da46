#!/usr/bin/env python3
"""Cold import: wall time over bare Python, modules, memory, installed size, distributions; and the first call.

    python bench_import.py [--lib dspy,whet,...] [--repeat 10] [--json FILE]

Each library is imported in a fresh process of its own virtual environment (bytecode already
compiled).  'first call' is a whole process that imports the library and makes one call to the stub
server: it shows what a lazy import has only put off.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import time

import common as c

# name: (venv, what to import, distribution)
LIBS = {
    "whet": ("whet", "whet", "whet"),
    "dspy": ("dspy", "dspy", "dspy"),
    "litellm": ("litellm", "litellm", "litellm"),
    "openai": ("openai", "openai", "openai"),
    "pydantic_ai": ("pydantic_ai", "pydantic_ai", "pydantic-ai-slim"),
    "httpx": ("httpx", "httpx", "httpx"),
    "httpx2": ("httpx2", "httpx2", "httpx2"),
    "aiohttp": ("aiohttp", "aiohttp", "aiohttp"),
}

FIRST_CALL = {
    "framework": """
import {lib} as m
m.configure(lm=m.LM("openai/stub", api_base={url!r}, api_key="x", cache=False))
assert m.Predict("question -> answer")(question="hi").answer
""",
    "openai": """
import openai
c = openai.OpenAI(base_url={url!r}, api_key="x")
assert c.chat.completions.create(model="stub", messages=[{{"role":"user","content":"hi"}}]).choices[0].message.content
""",
    "litellm": """
import litellm
message = {{\"role\": \"user\", \"content\": \"hi\"}}
reply = litellm.completion(model=\"openai/stub\", api_base={url!r}, api_key=\"x\", messages=[message])
assert reply.choices[0].message.content
""",
    "pydantic_ai": """
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
a = Agent(OpenAIChatModel("stub", provider=OpenAIProvider(base_url={url!r}, api_key="x")))
assert a.run_sync("hi").output
""",
    "httpx": """
import httpx
assert httpx.post({url!r} + "/chat/completions", json={{"model":"stub","messages":[{{"role":"user","content":"hi"}}]}}).json()["choices"]
""",
}

PROBE = """
import sys
before = len(sys.modules)
import {mod}
after = len(sys.modules)
rss = [int(x.split()[1])/1024 for x in open('/proc/self/status') if x.startswith('VmRSS')][0]
print(after - before, after, rss)
"""

SIZE = """
import importlib.metadata as m, os, sysconfig
site = sysconfig.get_paths()['purelib']
skip = {'pip', 'setuptools', 'wheel', 'pkg_resources', '_distutils_hack', 'distutils-precedence.pth'}
dists = [d for d in m.distributions() if (d.metadata['Name'] or '').lower() not in ('pip', 'setuptools', 'wheel')]
total = code = 0
for root, dirs, files in os.walk(site):
    rel = os.path.relpath(root, site).split(os.sep)[0]
    if rel in skip or rel.split('-')[0] in skip:
        continue
    for f in files:
        try:
            n = os.lstat(os.path.join(root, f)).st_size
        except OSError:
            continue
        total += n
        if not f.endswith('.pyc'):
            code += n
print(len({(d.metadata['Name'] or '').lower() for d in dists}), total / 1e6, code / 1e6)
"""


def wall(python, code):
    t, r0 = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    p = subprocess.run([python, "-c", code], capture_output=True, text=True)
    s, r1 = time.perf_counter() - t, resource.getrusage(resource.RUSAGE_CHILDREN)
    if p.returncode:
        return None
    return s * 1e3, (r1.ru_utime + r1.ru_stime - r0.ru_utime - r0.ru_stime) * 1e3


def importtime_ms(python, mod):
    p = subprocess.run([python, "-X", "importtime", "-c", f"import {mod}"], capture_output=True, text=True)
    total = 0
    for line in p.stderr.splitlines():
        m = re.match(r"import time:\s+(\d+) \|\s+\d+ \| ", line)
        if m:
            total += int(m.group(1))
    return total / 1e3


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--lib", help="comma-separated; default: every one that is installed")
    ap.add_argument("--repeat", type=int, default=10)
    ap.add_argument("--json")
    ap.add_argument("--no-first-call", action="store_true")
    a = ap.parse_args()
    names = a.lib.split(",") if a.lib else list(LIBS)
    libs = []
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # dspy and litellm: no download of prices
    for name in names:
        venv, mod, dist = LIBS.get(name, (name, name, name))
        py = c.python_of(venv)
        if py and wall(py, f"import {mod}"):  # also writes bytecode and warms the file cache
            libs.append((name, py, mod, dist))
        elif a.lib:
            sys.exit(f"cannot import {mod} with {py}")
    out = {name: {} for name, *_ in libs}
    versions = {name: c.version_of(py, dist) for name, py, _, dist in libs}

    server = c.StubServer() if not a.no_first_call else None
    with server or c.contextlib.nullcontext():
        for r in range(a.repeat):
            for name, py, mod, _ in libs:
                m = out[name]
                bare, got = wall(py, "pass"), wall(py, f"import {mod}")
                m.setdefault("bare ms", []).append(bare[0])
                m.setdefault("import ms", []).append(got[0] - bare[0])
                m.setdefault("import cpu ms", []).append(got[1] - bare[1])
                kind = "framework" if name in ("dspy", "whet") else name
                if server and kind in FIRST_CALL and r < max(3, a.repeat // 2):
                    w = wall(py, FIRST_CALL[kind].format(lib=mod, url=server.url()))
                    if w:
                        m.setdefault("first call ms", []).append(w[0] - bare[0])
                        m.setdefault("first call cpu ms", []).append(w[1] - bare[1])
                if r < 3:
                    m.setdefault("importtime ms", []).append(importtime_ms(py, mod))
                print(f"  [{r + 1}/{a.repeat}] {name}: {m['import ms'][-1]:.0f} ms", file=sys.stderr, flush=True)
    for name, py, mod, _ in libs:
        p = subprocess.run([py, "-c", PROBE.format(mod=mod)], capture_output=True, text=True).stdout.split()
        bare = subprocess.run([py, "-c", PROBE.format(mod="sys")], capture_output=True, text=True).stdout.split()
        s = subprocess.run([py, "-c", SIZE], capture_output=True, text=True).stdout.split()
        out[name].update(
            {
                "modules": [int(p[0])],
                "RSS MB": [float(p[2])],
                "RSS over bare MB": [float(p[2]) - float(bare[2])],
                "dists": [int(s[0])],
                "MB with pyc": [float(s[1])],
                "MB": [float(s[2])],
            }
        )
    cols = [
        "import ms",
        "import cpu ms",
        "importtime ms",
        "first call ms",
        "first call cpu ms",
        "modules",
        "RSS MB",
        "dists",
        "MB",
        "MB with pyc",
    ]
    rows = []
    for name, *_ in libs:
        m = out[name]
        rows.append([f"{name} {versions[name]}"] + [c.spread(m.get(k)) for k in cols])
    print(c.table(["library", *cols], rows))
    c.save(a.json, "import", out, versions)


if __name__ == "__main__":
    main()
