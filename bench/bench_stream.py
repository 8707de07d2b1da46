#!/usr/bin/env python3
"""Streaming: time to the first token over what the server takes, and tokens a second, per client.

    python bench_stream.py [--cases dspy,openai,...] [--words 400] [--repeat 5] [--json FILE]

first_lag_ms   the server sends one word each 5 ms, beginning after 50 ms; this is how much later than it was
               sent the client hands over the first word of the answer, which follows the five words of
               `[[ ## answer ## ]]` (median of 20 streams, one at a time)
lag20_ms       the same for the 20th word of the answer: what a client holds back while it goes on
tokens_per_s   the server sends everything at once, so the client is the limit (one stream at a time)
many_*         50 streams at once, again as fast as the client can
`dspy` streams through streamify with a StreamListener on the answer field; `dspy+raw` through streamify
without listeners.  All but these read the same bytes and take the text out of each event.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time

import bench_throughput as bt
import common as c

PEERS = ["httpx2", "aiohttp", "openai", "litellm", "pydantic_ai"]


def openai_like(create):
    async def stream(i):
        async for ev in await create(i):
            if ev.choices and ev.choices[0].delta.content:
                yield ev.choices[0].delta.content

    return stream


def make_openai(url):
    import openai

    k = openai.AsyncOpenAI(base_url=url, api_key="x")
    return openai_like(lambda i: k.chat.completions.create(model=c.MODEL, messages=bt.messages(i), stream=True))


def make_litellm(url):
    import litellm

    return openai_like(
        lambda i: litellm.acompletion(model=f"openai/{c.MODEL}", api_base=url, api_key="x", messages=bt.messages(i), stream=True)
    )


def text_of(line):
    if line.startswith("data: {"):
        ch = json.loads(line[6:])["choices"]
        return ch[0]["delta"].get("content") if ch else None
    return None


def make_httpx2(url):
    import httpx2

    k = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=100), timeout=60)

    async def stream(i):
        async with k.stream("POST", url + "/chat/completions", json={"model": c.MODEL, "messages": bt.messages(i), "stream": True}) as r:
            async for line in r.aiter_lines():
                if t := text_of(line):
                    yield t

    return stream


def make_aiohttp(url):
    import aiohttp

    k = aiohttp.ClientSession(read_bufsize=2**20)

    async def stream(i):
        async with k.post(url + "/chat/completions", json={"model": c.MODEL, "messages": bt.messages(i), "stream": True}) as r:
            async for line in r.content:
                if t := text_of(line.decode().rstrip()):
                    yield t

    return stream


def make_pydantic_ai(url):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel(c.MODEL, provider=OpenAIProvider(base_url=url, api_key="x")), instructions=bt.SYSTEM)

    async def stream(i):
        async with agent.run_stream(bt.USER % bt.question(i)) as r:
            async for t in r.stream_text(delta=True, debounce_by=None):
                yield t

    return stream


def make_framework(a, url):
    lib = c.load(a.lib)
    lm = lib.LM(f"openai/{c.MODEL}", api_base=url, api_key="x", cache=False)
    lib.configure(lm=lm, adapter=lib.ChatAdapter())
    streaming = __import__(lib.__name__ + ".streaming", fromlist=["StreamListener"])
    p = lib.Predict("question -> answer")

    async def stream(i):
        # a listener keeps the state of one stream, so each call gets its own
        if a.raw:
            run = lib.streamify(p, is_async_program=True)
        else:
            run = lib.streamify(p, stream_listeners=[streaming.StreamListener(signature_field_name="answer")], is_async_program=True)
        async for v in run(question=bt.question(i)):
            if isinstance(v, lib.Prediction):
                assert "stub says" in v.answer
            elif a.raw:
                ch = getattr(v, "choices", None)
                if ch and ch[0].delta.content:
                    yield ch[0].delta.content
            else:
                yield v.chunk

    return stream


def work(a):
    make = (lambda url: make_framework(a, url)) if a.lib else globals()[f"make_{a.client}"]

    async def go():
        out = {}
        slow, fast = make(a.slow), None
        first, later = [], []
        for i in range(23):
            t = time.perf_counter()
            text, at = "", {}
            async for piece in slow(i):
                text += piece
                n = len(text.split()) - (5 if text.lstrip().startswith("[") else 0)
                for k in (1, 20):
                    if n >= k and k not in at:
                        at[k] = (time.perf_counter() - t) * 1e3 - (50 + 5 * (4 + k))
            first.append(at[1])
            later.append(at[20])
        out["first_lag_ms"], out["lag20_ms"] = statistics.median(first[3:]), statistics.median(later[3:])
        fast = make(a.fast)

        async def whole(i):
            return len("".join([piece async for piece in fast(i)]).split())

        for i in range(3):
            await whole(i)
        runs, words = 10, 0
        cpu, t = c.cpu_s(), time.perf_counter()
        for i in range(runs):
            words += await whole(i)
        s = time.perf_counter() - t
        out["tokens_per_s"], out["cpu_us_per_token"] = words / s, (c.cpu_s() - cpu) / words * 1e6
        assert words >= runs * a.words, words
        cpu, t = c.cpu_s(), time.perf_counter()
        words = sum(await asyncio.gather(*[whole(i) for i in range(50)]))
        out["many_tokens_per_s"], out["many_cpu_us_per_token"] = words / (time.perf_counter() - t), (c.cpu_s() - cpu) / words * 1e6
        c.emit(**out)

    asyncio.run(go())


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--worker", action="store_true")
    ap.add_argument("--lib")
    ap.add_argument("--raw", action="store_true")
    ap.add_argument("--client")
    ap.add_argument("--slow")
    ap.add_argument("--fast")
    ap.add_argument("--cases")
    ap.add_argument("--words", type=int, default=400)
    ap.add_argument("--repeat", type=int, default=5)
    ap.add_argument("--json")
    a = ap.parse_args()
    if a.worker:
        return work(a)
    libs = dict(c.framework_libs(None))
    cases = a.cases.split(",") if a.cases else [x for lib in libs for x in (lib, lib + "+raw")] + [p for p in PEERS if c.python_of(p)]
    with c.StubServer() as server:

        def job(case):
            name, _, raw = case.partition("+")
            args = ["--slow", server.url(50, 5, 40), "--fast", server.url(0, 0, a.words), "--words", a.words]
            args += (["--lib", name] + (["--raw"] if raw else [])) if name in libs else ["--client", name]
            return c.run_worker(libs.get(name) or c.python_of(name), __file__, args, cpu=c.CLIENT_CPU)

        out = c.interleave([(x, lambda x=x: job(x)) for x in cases], a.repeat)
    cols = ["first_lag_ms", "lag20_ms", "tokens_per_s", "cpu_us_per_token", "many_tokens_per_s", "many_cpu_us_per_token"]
    rows = [
        [k, "n/a", m.get("error", ["?"])[0][:80], "", "", "", ""]
        if "tokens_per_s" not in m
        else [k + c.failed(m)] + [c.spread(m[x]) for x in cols]
        for k, m in out.items()
    ]
    print(c.table(["client", *cols], rows))
    c.save(
        a.json,
        "stream",
        out,
        {x: c.version_of(libs.get(x) or c.python_of(x), bt.DISTS.get(x, x)) for x in {k.partition("+")[0] for k in cases}},
    )
    return None


if __name__ == "__main__":
    sys.exit(main())
