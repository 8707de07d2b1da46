#!/usr/bin/env python3
"""Does it grow or slow down?  Memory and time over many Predict calls, and what contexts and nesting cost.

python bench_scale.py [--lib dspy,whet] [--n 20000] [--repeat 3] [--json FILE]
"""

import argparse
import gc
import sys
import time

import common as c

CASES = ["calls", "calls-bigprompt", "calls-nohistory", "context", "nesting"]


def work(a):
    lib = c.load(a.lib)
    if hasattr(lib, "configure_cache"):
        lib.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    lib.configure(lm=c.instant_lm(lib, "baselm"), adapter=lib.ChatAdapter())
    p = lib.Predict("question -> answer")
    if a.case.startswith("calls"):
        if a.case == "calls-nohistory":
            lib.configure(disable_history=True, max_trace_size=0)
        pad = "x" * 8000 if a.case == "calls-bigprompt" else ""
        for i in range(100):
            p(question=f"warm {i}")
        gc.collect()
        start, objects = c.rss_mb(), len(gc.get_objects())
        out = {}
        step = a.n // 4
        for k in range(4):
            cpu, t = c.cpu_s(), time.perf_counter()
            for i in range(step):
                p(question=f"What is the answer to question number {k * step + i}? {pad}")
            out[f"us_quarter{k + 1}"] = (time.perf_counter() - t) / step * 1e6
            out[f"cpu_us_quarter{k + 1}"] = (c.cpu_s() - cpu) / step * 1e6
            out[f"rss_growth_mb_quarter{k + 1}"] = c.rss_mb() - start
        gc.collect()
        t = time.perf_counter()
        gc.collect()
        out["rss_growth_mb_second_half"] = out["rss_growth_mb_quarter4"] - out["rss_growth_mb_quarter2"]
        out["full_gc_ms"] = (time.perf_counter() - t) * 1e3
        out["gc_objects_growth"] = len(gc.get_objects()) - objects
        return c.emit(**out)
    if a.case == "context":
        n = 2000

        def one():
            with lib.context(branch_idx=1):
                pass

        flat, flat_cpu = c.per_call(one, n)

        def nested(depth):
            if depth:
                with lib.context(branch_idx=depth):
                    nested(depth - 1)

        deep, deep_cpu = c.per_call(lambda: nested(10), n // 10)
        read, read_cpu = c.per_call(lambda: lib.settings.lm, n * 10)
        return c.emit(
            context_us=flat, context_cpu_us=flat_cpu, nested10_us=deep, nested10_cpu_us=deep_cpu, read_us=read, read_cpu_us=read_cpu
        )

    def program(depth):
        class Layer(lib.Module):
            def __init__(self, inner):
                super().__init__()
                self.inner = inner

            def forward(self, **kw):
                return self.inner(**kw)

        m = lib.Predict("question -> answer")
        for _ in range(depth):
            m = Layer(m)
        return m

    out = {}
    for d in (0, 1, 10):
        m = program(d)
        out[f"depth{d}_us"], out[f"depth{d}_cpu_us"] = c.per_call(lambda m=m: m(question="What?"), 500)
    out["per_layer_us"] = (out["depth10_us"] - out["depth0_us"]) / 10
    out["per_layer_cpu_us"] = (out["depth10_cpu_us"] - out["depth0_cpu_us"]) / 10
    c.emit(**out)
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--worker", action="store_true")
    ap.add_argument("--lib")
    ap.add_argument("--case")
    ap.add_argument("--n", type=int, default=20000)
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--json")
    a = ap.parse_args()
    if a.worker:
        return work(a)
    libs = c.framework_libs(a.lib)
    cases = a.case.split(",") if a.case else CASES
    jobs = [
        (f"{lib} {case}", lambda py=py, lib=lib, case=case: c.run_worker(py, __file__, ["--lib", lib, "--case", case, "--n", a.n]))
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
    c.save(a.json, "scale", out, {lib: c.version_of(py, lib) for lib, py in libs})
    return None


if __name__ == "__main__":
    sys.exit(main())
