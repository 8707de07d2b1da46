#!/usr/bin/env python3
"""Overhead of one Predict call with an in-process instant model, caching off; and of the adapters alone.

python bench_predict.py [--lib dspy,whet] [--repeat 5] [--n 1000] [--json FILE]
"""

import argparse
import asyncio
import importlib
import itertools
import sys

import common as c

CASES = [
    "predict-baselm",
    "predict-native",
    "apredict-baselm",
    "apredict-native",
    "big-baselm",
    "cot-baselm",
    "nohistory-baselm",
    "chat-tiny",
    "chat-big",
    "json-big",
    "xml-big",
    "baml-big",
    "two_step-big",
    "build",
]

ADAPTERS = {
    "chat": lambda lib: lib.ChatAdapter(),
    "json": lambda lib: lib.JSONAdapter(),
    "xml": lambda lib: lib.XMLAdapter(),
    "baml": lambda lib: importlib.import_module(f"{lib.__name__}.adapters.baml_adapter").BAMLAdapter(),
    "two_step": lambda lib: lib.TwoStepAdapter(c.instant_lm(lib, "baselm")),
}


def work(a):
    lib = c.load(a.lib)
    if hasattr(lib, "configure_cache"):
        lib.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    case, _, kind = a.case.partition("-")
    n = a.n
    if case in ("predict", "apredict", "nohistory", "cot"):
        text = c.ANSWER if case != "cot" else "[[ ## reasoning ## ]]\nso it is\n\n" + c.ANSWER
        lm = c.instant_lm(lib, kind, text)
        lib.configure(lm=lm, adapter=lib.ChatAdapter())
        if case == "nohistory":
            lib.configure(disable_history=True)
        p = (lib.ChainOfThought if case == "cot" else lib.Predict)("question -> answer")
        if case == "apredict":

            async def go():
                async def one():
                    r = await p.acall(question="What is the answer?")
                    assert r.answer == "the stub says so"

                return await c.aper_call(one, n)

            w, cpu = asyncio.run(go())
        else:

            def one():
                r = p(question="What is the answer?")
                assert r.answer == "the stub says so"

            w, cpu = c.per_call(one, n)
        return c.emit(us=w, cpu_us=cpu)
    if case == "big":
        sig, demos, inputs, completion, _ = c.big_signature(lib)
        lib.configure(lm=c.instant_lm(lib, kind, completion), adapter=lib.ChatAdapter())
        p = lib.Predict(sig)
        p.demos = demos

        def one():
            assert p(**inputs).count == 3

        w, cpu = c.per_call(one, max(20, n // 10), warm=5)
        return c.emit(us=w, cpu_us=cpu)
    if case in ADAPTERS:
        adapter = ADAPTERS[case](lib)
        if kind == "tiny":
            sig, demos, inputs, completion = c.tiny_signature(lib), [], {"question": "What is the answer?"}, c.ANSWER
        else:
            sig, demos, inputs, *_ = c.big_signature(lib)
            n = max(20, n // 10)
        shown = adapter.format(sig, demos, inputs)
        if kind == "big":
            completion = shown[2]["content"]  # the first demo's answer: what the adapter itself would have the model write
        size = sum(len(m["content"]) for m in shown)
        f, fc = c.per_call(lambda: adapter.format(sig, demos, inputs), n)
        if case == "two_step":  # its answers are read by a second model
            return c.emit(format_us=f, format_cpu_us=fc, prompt_chars=size)
        assert adapter.parse(sig, completion)["count"] == demos[0]["count"] if kind == "big" else True
        p, pc = c.per_call(lambda: adapter.parse(sig, completion), n)
        return c.emit(format_us=f, format_cpu_us=fc, parse_us=p, parse_cpu_us=pc, prompt_chars=size)
    if case == "build":
        count = max(50, n // 5)
        numbers = itertools.count()  # a new name each time, so that no table of known signatures answers

        def text():
            return f"question{next(numbers)}, context: list[str] -> answer, score: float"

        w, wc = c.per_call(lambda: lib.Predict(text()), count)
        s, sc = c.per_call(lambda: lib.Signature(text()), count)
        p = lib.ChainOfThought("question -> answer")
        d, dc = c.per_call(lambda: p.deepcopy(), count)
        return c.emit(us=w, cpu_us=wc, signature_us=s, signature_cpu_us=sc, deepcopy_us=d, deepcopy_cpu_us=dc)
    raise SystemExit(f"no case {a.case}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--worker", action="store_true")
    ap.add_argument("--lib")
    ap.add_argument("--case")
    ap.add_argument("--n", type=int, default=1000)
    ap.add_argument("--repeat", type=int, default=5)
    ap.add_argument("--json")
    a = ap.parse_args()
    if a.worker:
        return work(a)
    cases = a.case.split(",") if a.case else CASES
    libs = c.framework_libs(a.lib)
    jobs = [
        (f"{lib} {case}", lambda py=py, lib=lib, case=case: c.run_worker(py, __file__, ["--lib", lib, "--case", case, "--n", a.n]))
        for case in cases
        for lib, py in libs
    ]
    out = c.interleave(jobs, a.repeat)
    rows = []
    for label, m in out.items():
        if "error" in m:
            rows.append([label, "n/a", "", m["error"][0][:80]])
            continue
        for key in m:
            if key in ("us", "format_us", "parse_us", "signature_us", "deepcopy_us"):
                name = label if key == "us" else f"{label} {key[:-3]}"
                rows.append(
                    [
                        name,
                        c.spread(m[key]),
                        c.spread(m.get(key.replace("us", "cpu_us"))),
                        f"{c.fmt(c.med(m.get('prompt_chars')))} chars" if key == "format_us" else "",
                    ]
                )
    print(c.table(["case", "us/call", "cpu us/call", "note"], rows))
    c.save(a.json, "predict", out, {lib: c.version_of(py, lib) for lib, py in libs})
    return None


if __name__ == "__main__":
    sys.exit(main())
