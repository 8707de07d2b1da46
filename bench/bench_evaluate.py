#!/usr/bin/env python3
"""What Evaluate adds to a plain loop over the same rows, an example, by the size of the set and by threads.

    python bench/bench_evaluate.py [--lib dspy,whet] [--sizes 1000,10000] [--threads 1,24] [--repeat 3] [--json FILE]

The plain loop is `for e in devset: metric(e, p(**e.inputs()))`. Loop and Evaluate take turns in one process; the model is instant.
"""

import argparse
import statistics
import sys

import common as c


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

    def evaluate():
        got = lib.Evaluate(devset=devset, metric=metric, num_threads=a.threads, display_progress=False)(p)
        assert float(got.score) == 100.0
        assert len(got.results) == a.n

    def cpu_of(fn):
        before = c.cpu_s()
        fn()
        return (c.cpu_s() - before) / a.n * 1e6

    for e in devset[:50]:
        p(**e.inputs())
    before = c.rss_mb()
    rounds = [(cpu_of(loop), cpu_of(evaluate)) for _ in range(3 if a.n <= 2000 else 2)]
    plain, whole = (statistics.median(column) for column in zip(*rounds, strict=True))
    over = statistics.median(e - x for x, e in rounds)
    c.emit(loop_cpu_us=plain, cpu_us_per_example=whole, over_loop_cpu_us=over, rss_growth_mb=c.rss_mb() - before)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--worker", action="store_true")
    ap.add_argument("--lib")
    ap.add_argument("--n", type=int, default=1000)
    ap.add_argument("--sizes", default="1000,10000")
    ap.add_argument("--threads", default="1,24")
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--json")
    a = ap.parse_args()
    if a.worker:
        a.threads = int(a.threads)
        return work(a)
    libs = c.framework_libs(a.lib)
    jobs = []
    for n in map(int, a.sizes.split(",")):
        for t in map(int, a.threads.split(",")):
            for lib, py in libs:
                args = ["--lib", lib, "--n", n, "--threads", t]
                jobs.append((f"{lib} n={n} threads={t}", lambda py=py, args=args: c.run_worker(py, __file__, args)))
    out = c.interleave(jobs, a.repeat)
    cols = ["loop_cpu_us", "cpu_us_per_example", "over_loop_cpu_us", "rss_growth_mb"]
    rows = [[k + c.failed(m), *[c.spread(m.get(x)) for x in cols]] for k, m in out.items()]
    print(c.table(["case", *cols], rows))
    c.save(a.json, "evaluate", out, {lib: c.version_of(py, lib) for lib, py in libs})
    return None


if __name__ == "__main__":
    sys.exit(main())
