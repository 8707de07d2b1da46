#!/usr/bin/env python3
"""What Evaluate adds to a plain loop over the same rows, an example, by the size of the set and by threads; and how near it comes to the
ideal against a server.

    python bench/bench_evaluate.py [--lib dspy,whet] [--sizes 1000,10000] [--threads 1,24] [--served 5000] [--repeat 3] [--json FILE]

The plain loop is `for e in devset: metric(e, p(**e.inputs()))`. Loop and Evaluate take turns in one process, each after a short run of it
that loads what it needs; the model is instant. A pass of the garbage collector over the whole heap falls into one turn or another every
4,000 rows or so, and is longer than what is measured: the figure of few rows is the median of nine rounds, and that of 10,000 rows has
the passes in it. Each process stays on one core, because here the cores differ by more than what is measured: a hired thread would be on
another one than the loop. What Evaluate adds is mostly the garbage collector's: a loop that keeps nothing never makes it run, and once rows
are kept it also looks through what the history holds of each call.

`--served N` evaluates N examples in async code against a loopback server that answers after 50 ms, with 500 in flight. Ideal is
N x 50 ms / 500, which no client reaches that needs more CPU than 0.1 ms a row: so the CPU of a row stands beside it, and what the same
calls take in bare tasks without an evaluation. A library whose Evaluate is not async uses 500 threads. `--lib whet,aiohttp` puts bare
aiohttp beside it: the same requests, 500 in flight, each answer read and checked, and no evaluation, which is what a client alone can
reach on this machine. Where DSPy is installed the same is measured once more with a server as slow as this machine is beside the one
where the target was set (50 ms times DSPy's Predict here and now over its Predict there, the mean of two measurements just
before): what a machine of that pace makes of 50 ms.
"""

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

import common as c
from bench_throughput import drive, make_aiohttp


def work(a):
    lib = c.load(a.lib)
    if hasattr(lib, "configure_cache"):
        lib.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    lib.configure(lm=c.instant_lm(lib, "baselm"), adapter=lib.ChatAdapter())
    p = lib.Predict("question -> answer")
    devset = [lib.Example(question=f"What is {i}?", answer="the stub says so").with_inputs("question") for i in range(a.n)]

    def metric(e, q, trace=None):
        return e.answer == q.answer

    def loop():
        for e in devset:
            assert metric(e, p(**e.inputs()))

    def evaluate(rows=devset):
        got = lib.Evaluate(devset=rows, metric=metric, num_threads=a.threads, display_progress=False)(p)
        assert float(got.score) == 100.0
        assert len(got.results) == len(rows)

    def cpu_of(fn):
        before = c.cpu_s()
        fn()
        return (c.cpu_s() - before) / a.n * 1e6

    for e in devset[:50]:
        p(**e.inputs())
    evaluate(devset[:50])
    before = c.rss_mb()
    rounds = [(cpu_of(loop), cpu_of(evaluate)) for _ in range(9 if a.n <= 2000 else 2)]
    plain, whole = (statistics.median(column) for column in zip(*rounds, strict=True))
    over = statistics.median(e - x for x, e in rounds)
    c.emit(loop_cpu_us=plain, cpu_us_per_example=whole, over_loop_cpu_us=over, rss_growth_mb=c.rss_mb() - before)


LATENCY_MS, IN_FLIGHT = 50, 500
DSPY_PREDICT_THEN = 179  # us, where the targets were set


def served(a):
    lib = c.load(a.lib)
    lib.configure(lm=lib.LM(f"openai/{c.MODEL}", api_base=a.url, api_key="x", cache=False), adapter=lib.ChatAdapter())
    p = lib.Predict("question -> answer")

    def rows(n):
        return [lib.Example(question=f"What is {i}?", answer="the stub").with_inputs("question") for i in range(n)]

    async def bare(devset):
        left = iter(devset)

        async def worker():
            for e in left:
                assert e.answer in (await p.acall(**e.inputs())).answer

        await asyncio.gather(*[worker() for _ in range(IN_FLIGHT)])

    async def evaluated(devset):
        judge = lib.Evaluate(devset=devset, metric=lambda e, q, trace=None: e.answer in q.answer, num_threads=IN_FLIGHT)
        got = await judge.acall(p) if hasattr(judge, "acall") else judge(p)
        assert float(got.score) == 100.0

    async def go():
        devset, taken = rows(a.n), {"bare": [], "evaluated": []}
        await evaluated(rows(IN_FLIGHT))  # opens the connections
        for run in (bare, evaluated, bare, evaluated):
            cpu, wall = c.cpu_s(), time.perf_counter()
            await run(devset)
            taken[run.__name__].append(((time.perf_counter() - wall), (c.cpu_s() - cpu)))
        wall, cpu = (min(column) for column in zip(*taken["evaluated"], strict=True))
        bare_wall, bare_cpu = (min(column) for column in zip(*taken["bare"], strict=True))
        ideal = a.n * a.latency / 1000 / IN_FLIGHT
        per = 1000 / a.n
        c.emit(wall_s=wall, wall_over_ideal=wall / ideal, cpu_ms=cpu * per, bare_over_ideal=bare_wall / ideal, bare_cpu_ms=bare_cpu * per)

    asyncio.run(go())


def served_by_a_bare_client(a):
    async def go():
        call, close = make_aiohttp(a.url, IN_FLIGHT)
        await drive(call, IN_FLIGHT, IN_FLIGHT)  # opens the connections
        taken = []
        for _ in range(2):
            cpu, wall = c.cpu_s(), time.perf_counter()
            await drive(call, a.n, IN_FLIGHT)
            taken.append(((time.perf_counter() - wall), (c.cpu_s() - cpu)))
        await close()
        wall, cpu = (min(column) for column in zip(*taken, strict=True))
        c.emit(wall_s=wall, wall_over_ideal=wall / (a.n * a.latency / 1000 / IN_FLIGHT), cpu_ms=cpu * 1000 / a.n)

    asyncio.run(go())


def against_a_server(a, libs):
    dspy = c.python_of("dspy")
    with c.StubServer() as server:

        def job(lib, py, latency=LATENCY_MS):
            args = ["--lib", lib, "--n", a.served, "--url", server.url(latency), "--latency", latency]
            return c.run_worker(py, __file__, args, cpu=c.CLIENT_CPU)

        def at_pace(lib, py):
            slower = statistics.mean([slowness(dspy), slowness(dspy)])
            got = job(lib, py, round(LATENCY_MS * max(1.0, slower)))
            return {**got, "slower": slower}

        jobs = [(f"{lib} served n={a.served}", lambda lib=lib, py=py: job(lib, py)) for lib, py in libs]
        if dspy:
            jobs += [(f"{lib} served at pace n={a.served}", lambda lib=lib, py=py: at_pace(lib, py)) for lib, py in libs]
        out = c.interleave(jobs, a.repeat)
    cols = ["wall_s", "wall_over_ideal", "cpu_ms", "bare_over_ideal", "bare_cpu_ms"]
    print(c.table(["case", *cols], [[k + c.failed(m), *[c.spread(m.get(x)) for x in cols]] for k, m in out.items()]))
    return out


def slowness(dspy):
    """How many times as long as where the targets were set DSPy's Predict takes here, now, on the core that the client has."""
    args = ["--lib", "dspy", "--case", "predict-baselm", "--n", 300]
    return c.run_worker(dspy, Path(__file__).with_name("bench_predict.py"), args, cpu=c.CLIENT_CPU)["cpu_us"] / DSPY_PREDICT_THEN


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--worker", action="store_true")
    ap.add_argument("--lib")
    ap.add_argument("--n", type=int, default=1000)
    ap.add_argument("--sizes", default="1000,10000")
    ap.add_argument("--threads", default="1,24")
    ap.add_argument("--served", type=int, default=0)
    ap.add_argument("--url")
    ap.add_argument("--latency", type=int, default=LATENCY_MS)
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--json")
    a = ap.parse_args()
    if a.worker and a.url:
        return served_by_a_bare_client(a) if a.lib == "aiohttp" else served(a)
    if a.worker:
        a.threads = int(a.threads)
        return work(a)
    libs = c.framework_libs(a.lib)
    if a.served:
        c.save(a.json, "evaluate", against_a_server(a, libs), {lib: c.version_of(py, lib) for lib, py in libs})
        return None
    jobs = []
    for n in map(int, a.sizes.split(",")):
        for t in map(int, a.threads.split(",")):
            for lib, py in libs:
                args = ["--lib", lib, "--n", n, "--threads", t]
                jobs.append((f"{lib} n={n} threads={t}", lambda py=py, args=args: c.run_worker(py, __file__, args, cpu=c.CLIENT_CPU)))
    out = c.interleave(jobs, a.repeat)
    cols = ["loop_cpu_us", "cpu_us_per_example", "over_loop_cpu_us", "rss_growth_mb"]
    rows = [[k + c.failed(m), *[c.spread(m.get(x)) for x in cols]] for k, m in out.items()]
    print(c.table(["case", *cols], rows))
    c.save(a.json, "evaluate", out, {lib: c.version_of(py, lib) for lib, py in libs})
    return None


if __name__ == "__main__":
    sys.exit(main())
