#!/usr/bin/env python3
"""The response cache: hits from memory and from disk, writes, size on disk, processes and tasks that share it.

    python bench_cache.py [--lib dspy,whet] [--n 2000] [--entries 10000] [--repeat 3] [--json FILE]

The first answer to each question comes from the stub server. The 'shared' cases count how many requests reach it when
4 processes, or 100 tasks of one process, ask the same questions.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import common as c

CASES = ["memory", "disk", "write", "size", "four", "fourapart", "shared4", "shared100", "sharedthreads"]


def setup(a, cache_dir, url=None):
    os.environ["WHET_CACHE_DIR"] = cache_dir
    lib = c.load(a.lib)
    if hasattr(lib, "configure_cache"):
        lib.configure_cache(enable_disk_cache=True, enable_memory_cache=True, disk_cache_dir=cache_dir)
    lm = lib.LM(f"openai/{c.MODEL}", api_base=url or a.url, api_key="x", cache=True)
    lib.configure(lm=lm, adapter=lib.ChatAdapter(), disable_history=True)
    return lib, lib.Predict("question -> answer")


def fill(p, n, start=0):
    cpu, t = c.cpu_s(), time.perf_counter()
    for i in range(start, start + n):
        p(question=f"What is the answer to question number {i}?")
    return (time.perf_counter() - t) / n * 1e6, (c.cpu_s() - cpu) / n * 1e6


def du(path):
    total = 0
    for root, _, files in os.walk(path):
        for f in files:
            st = os.lstat(os.path.join(root, f))
            total += st.st_blocks * 512
    return total / 1e6


def child(a, case, cache_dir, n, start=0, url=None):
    cmd = [sys.executable, __file__, "--worker", "--lib", a.lib, "--case", case, "--dir", cache_dir, "--n", str(n), "--start", str(start)]
    return subprocess.Popen([*cmd, "--url", url or a.url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def result(p):
    out, _ = p.communicate(timeout=300)
    return json.loads(out.strip().splitlines()[-1])


def work(a):
    d = a.dir or tempfile.mkdtemp(prefix="bench-cache-")
    try:
        return work_in(a, d)
    finally:
        if not a.dir:
            shutil.rmtree(d, ignore_errors=True)


def work_in(a, d):  # noqa: PLR0911 - one return for each case
    if a.case == "child-fill":
        _, p = setup(a, d, a.url)
        fill(p, 1, 10**7 + a.start)
        before = c.rss_mb()
        w, cpu = fill(p, a.n, a.start)
        return c.emit(us=w, cpu_us=cpu, rss_growth_mb=c.rss_mb() - before)
    if a.case == "memory":
        lib, p = setup(a, d)
        off_lm = c.instant_lm(lib, "baselm")
        one = lambda: p(question="What is the answer?")  # noqa: E731
        hit, hit_cpu = c.per_call(one, a.n)
        with lib.context(lm=off_lm):
            off, off_cpu = c.per_call(one, a.n)

        async def go():
            return await c.aper_call(lambda: p.acall(question="What is the answer?"), a.n)

        ahit, ahit_cpu = asyncio.run(go())
        return c.emit(
            hit_us=hit, hit_cpu_us=hit_cpu, no_cache_us=off, no_cache_cpu_us=off_cpu, async_hit_us=ahit, async_hit_cpu_us=ahit_cpu
        )
    if a.case == "disk":
        result(child(a, "child-fill", d, a.n))
        got = result(child(a, "child-fill", d, a.n))
        return c.emit(disk_hit_us=got["us"], disk_hit_cpu_us=got["cpu_us"])
    if a.case == "write":
        lib, p = setup(a, d)
        fill(p, 20, 10**7)
        w, cpu = fill(p, a.n)
        with lib.context(lm=lib.LM(f"openai/{c.MODEL}", api_base=a.url, api_key="x", cache=False)):
            o, ocpu = fill(p, a.n)
        return c.emit(
            call_and_write_us=w, call_and_write_cpu_us=cpu, write_only_us=w - o, write_only_cpu_us=cpu - ocpu, writes_per_s=1e6 / w
        )
    if a.case == "size":
        got = result(child(a, "child-fill", d, a.entries))
        return c.emit(
            disk_mb=du(d),
            bytes_per_entry=du(d) * 1e6 / a.entries,
            rss_growth_mb=got["rss_growth_mb"],
            files=sum(len(f) for _, _, f in os.walk(d)),
            fill_us=got["us"],
            fill_cpu_us=got["cpu_us"],
        )
    if a.case in ("four", "fourapart"):  # 4 writers at once: of one directory, and of one each
        t = time.perf_counter()
        apart = a.case == "fourapart"
        ps = [child(a, "child-fill", os.path.join(d, str(i)) if apart else d, a.n // 4, start=i * 10**6) for i in range(4)]
        got = [result(p) for p in ps]
        per = max(g["us"] for g in got)
        return c.emit(writes_per_s=4e6 / per, worst_us=per, wall_s=time.perf_counter() - t, disk_mb=du(d))
    # how many requests reach the server
    n = min(a.n // 4, 500)
    import urllib.request

    def stats():
        root = "/".join(a.url.split("/")[:3])
        with urllib.request.urlopen(root + "/stats") as r:
            return json.load(r)["requests"]

    before = stats()
    if a.case == "shared4":
        ps = [child(a, "child-fill", d, n, url=a.url) for _ in range(4)]
        [result(p) for p in ps]
        return c.emit(asked=4 * n, distinct=n, requests=stats() - before)
    _, p = setup(a, d, a.url)
    if a.case == "shared100":

        async def go():
            await asyncio.gather(*[p.acall(question="What is the one answer?") for _ in range(100)])

        asyncio.run(go())
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(24) as ex:
            list(ex.map(lambda _: p(question="What is the one answer?"), range(100)))
    return c.emit(asked=100, distinct=1, requests=stats() - before)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--worker", action="store_true")
    ap.add_argument("--lib")
    ap.add_argument("--case")
    ap.add_argument("--dir")
    ap.add_argument("--url")
    ap.add_argument("--n", type=int, default=2000)
    ap.add_argument("--start", type=int, default=0)
    ap.add_argument("--entries", type=int, default=10000)
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--json")
    a = ap.parse_args()
    if a.worker:
        return work(a)
    libs = c.framework_libs(a.lib)
    cases = a.case.split(",") if a.case else CASES
    with c.StubServer() as server:
        jobs = [
            (
                f"{lib} {case}",
                lambda py=py, lib=lib, case=case: c.run_worker(
                    py,
                    __file__,
                    ["--lib", lib, "--case", case, "--n", a.n, "--entries", a.entries, "--url", server.url(50 if "shared" in case else 0)],
                ),
            )
            for case in cases
            for lib, py in libs
        ]
        out = c.interleave(jobs, a.repeat)
    rows = []
    for label, m in out.items():
        if "error" in m:
            rows.append([label, "n/a", m["error"][0][:90]])
        for k, v in m.items():
            if k != "error":
                rows.append([label, k, c.spread(v)])
    print(c.table(["case", "metric", "value"], rows))
    c.save(a.json, "cache", out, {lib: c.version_of(py, lib) for lib, py in libs})
    return None


if __name__ == "__main__":
    sys.exit(main())
