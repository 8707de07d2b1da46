#!/usr/bin/env python3
"""Requests a second against the stub server, the client's CPU and memory, for each client and concurrency.

    python bench_throughput.py [--cases dspy:threads24,dspy:async100,openai:async100,...] [--n 2000]
                               [--latency 0,50] [--repeat 3] [--json FILE]

A case is client:mode.  The mode soak100 makes its calls in two halves, and tells what memory the second one took.
Every client sends the same prompt (two messages with markers, another
question each time; frameworks send their own for "question -> answer"), gets the same reply and checks it.  CPU and memory
are the client process's own.  The stub's counters confirm how many requests arrived and over how many
connections.
"""

import argparse
import asyncio
import gc
import sys
import time

import common as c

FRAMEWORK_MODES = ["threads24", "evaluate24", "async100", "async500"]
PEERS = ["aiohttp", "httpx2", "httpx", "openai", "litellm", "pydantic_ai"]
DISTS = {"pydantic_ai": "pydantic-ai-slim"}

# As long as what a framework sends for `question -> answer`, so that every client writes and the server reads about the same bytes.
SYSTEM = """Each message names its parts with markers. You are given one part and you produce one part.
Given: `question` (str), the text that a reader typed.
Produced: `answer` (str), a short reply in plain words, with nothing before or after it.
Keep to this layout, and put your own text in the place of the words in braces.

[[ ## question ## ]]
{question}

[[ ## answer ## ]]
{answer}

[[ ## completed ## ]]
What is wanted of you: read `question` and write `answer`."""
USER = """[[ ## question ## ]]
%s

Now write `[[ ## answer ## ]]` and what belongs under it, and close with `[[ ## completed ## ]]`; nothing else is read."""


def question(i):
    return f"What is the answer to question number {i}?"


def messages(i):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER % question(i)}]


def check(text):
    assert "the stub says" in text, text


# ---- one async call of each client: make(url, limit) -> (call(i), close)


def make_httpx(url, limit):
    import httpx

    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit), timeout=60)

    async def call(i):
        r = await client.post(url + "/chat/completions", json={"model": c.MODEL, "messages": messages(i)})
        r.raise_for_status()
        check(r.json()["choices"][0]["message"]["content"])

    return call, client.aclose


def make_httpx2(url, limit):
    import httpx2

    client = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=limit, max_keepalive_connections=limit), timeout=60)

    async def call(i):
        r = await client.post(url + "/chat/completions", json={"model": c.MODEL, "messages": messages(i)})
        r.raise_for_status()
        check(r.json()["choices"][0]["message"]["content"])

    return call, client.aclose


def make_aiohttp(url, limit):
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=limit))

    async def call(i):
        async with session.post(url + "/chat/completions", json={"model": c.MODEL, "messages": messages(i)}) as r:
            check((await r.json())["choices"][0]["message"]["content"])

    return call, session.close


def make_openai(url, limit):
    import openai

    client = openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0)

    async def call(i):
        r = await client.chat.completions.create(model=c.MODEL, messages=messages(i))
        check(r.choices[0].message.content)

    return call, client.close


def make_litellm(url, limit):
    import litellm

    async def call(i):
        r = await litellm.acompletion(model=f"openai/{c.MODEL}", api_base=url, api_key="x", messages=messages(i), num_retries=0)
        check(r.choices[0].message.content)

    return call, None


def make_pydantic_ai(url, limit):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel(c.MODEL, provider=OpenAIProvider(base_url=url, api_key="x")), instructions=SYSTEM)

    async def call(i):
        check((await agent.run(USER % question(i))).output)

    return call, None


async def drive(call, n, limit, start=0):
    """n calls, at most `limit` at a time, by `limit` tasks that take the next number."""
    counter = iter(range(start, start + n))

    async def worker():
        for i in counter:
            await call(i)

    await asyncio.gather(*[worker() for _ in range(limit)])


def framework(a, url, limit):
    lib = c.load(a.lib)
    kw = {"engine": a.engine} if a.engine else {}
    lm = lib.LM(f"openai/{a.model}", api_base=url, api_key="x", cache=False, **kw)
    lib.configure(lm=lm, adapter=lib.ChatAdapter())
    p = lib.Predict("question -> answer")
    mode = a.mode.rstrip("0123456789")
    if mode in ("async", "soak"):

        async def call(i):
            r = await p.acall(question=question(i))
            check(r.answer)

        return lib, p, call
    return lib, p, None


def work(a):
    url = a.url
    mode = a.mode.rstrip("0123456789")
    limit = int(a.mode[len(mode) :])
    warm = max(limit, 100)
    if a.client == "framework":
        lib, p, call = framework(a, url, limit)
        if mode in ("threads", "evaluate"):

            def run(n, start):
                exs = [lib.Example(question=question(i), answer="the stub says").with_inputs("question") for i in range(start, start + n)]
                if mode == "threads":
                    got = lib.Parallel(num_threads=limit, disable_progress_bar=True)([(p, e) for e in exs])
                    assert len(got) == n
                    for g in got:
                        check(g.answer)
                else:
                    ev = lib.Evaluate(
                        devset=exs, num_threads=limit, metric=lambda e, q, trace=None: e.answer in q.answer, display_progress=False
                    )
                    assert ev(p).score == 100.0

            run(warm, 10**6)
            before, t = c.cpu_s(), time.perf_counter()
            run(a.n, 0)
            s, cpu = time.perf_counter() - t, c.cpu_s() - before
            return c.emit(rps=a.n / s, cpu_s_per_1000=cpu / a.n * 1000, peak_rss_mb=c.peak_rss_mb())
        maker = None
    else:
        maker = globals()[f"make_{a.client}"]

    async def go():
        close = None
        nonlocal call
        if maker:
            call, close = maker(url, limit)
        await drive(call, warm, min(limit, warm), 10**6)
        more = {}
        if mode == "soak":
            await drive(call, a.n // 2, limit, 2 * 10**6)
            gc.collect()
            full = c.rss_mb()
        before, t = c.cpu_s(), time.perf_counter()
        n = a.n // 2 if mode == "soak" else a.n
        await drive(call, n, limit)
        s, cpu = time.perf_counter() - t, c.cpu_s() - before
        if mode == "soak":
            gc.collect()
            more["rss_growth_mb_second_half"] = c.rss_mb() - full
        c.emit(rps=n / s, cpu_s_per_1000=cpu / n * 1000, peak_rss_mb=c.peak_rss_mb(), **more)
        if close:
            await close()

    if maker:
        call = None
    asyncio.run(go())
    return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--worker", action="store_true")
    ap.add_argument("--client")
    ap.add_argument("--mode")
    ap.add_argument("--lib")
    ap.add_argument("--engine")
    ap.add_argument("--model", default=c.MODEL)
    ap.add_argument("--url")
    ap.add_argument("--cases")
    ap.add_argument("--n", type=int, default=2000)
    ap.add_argument("--latency", default="0,50")
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--json")
    a = ap.parse_args()
    if a.worker:
        return work(a)
    libs = dict(c.framework_libs(a.lib))
    if a.cases:
        cases = [tuple(x.split(":")) for x in a.cases.split(",")]
    else:
        cases = [(lib, m) for lib in libs for m in FRAMEWORK_MODES]
        if "dspy" in libs:
            cases += [("dspy+litellm", "threads24"), ("dspy+litellm", "async100"), ("dspy+unknown-model", "async100")]
        cases += [(p, m) for p in PEERS if c.python_of(p) for m in ("async100", "async500")]
    with c.StubServer() as server:

        def job(client, mode, latency):
            name, _, opt = client.partition("+")
            py = libs.get(name) or c.python_of(name)
            args = ["--mode", mode, "--n", a.n, "--url", server.url(latency)]
            if name in libs or name in ("dspy", "whet"):
                args += ["--client", "framework", "--lib", name]
                if opt == "litellm":
                    args += ["--engine", "litellm"]
                elif opt == "unknown-model":
                    args += ["--model", "my-own-model"]
            else:
                args += ["--client", name]
            server.reset()
            got = c.run_worker(py, __file__, args, cpu=c.CLIENT_CPU)
            s = server.stats()
            got.update(requests=s["requests"], connections=s["connections_opened"], peak_in_flight=s["peak_in_flight"])
            return got

        jobs = [
            (f"{cl} {mode} {lat} ms", lambda cl=cl, mode=mode, lat=lat: job(cl, mode, float(lat)))
            for lat in a.latency.split(",")
            for cl, mode in cases
        ]
        out = c.interleave(jobs, a.repeat)
    rows = []
    for label, m in out.items():
        if "rps" not in m:
            rows.append([label, "n/a", m.get("error", ["?"])[0][:100], "", "", ""])
        else:
            rows.append(
                [
                    label + c.failed(m),
                    c.spread(m["rps"]),
                    c.spread(m["cpu_s_per_1000"]),
                    c.fmt(c.med(m["peak_rss_mb"])),
                    c.fmt(c.med(m["connections"])),
                    c.fmt(c.med(m["peak_in_flight"])),
                ]
            )
    print(c.table(["client, mode, latency", "req/s", "client CPU s per 1000", "peak RSS MB", "connections", "peak in flight"], rows))
    c.save(
        a.json,
        "throughput",
        out,
        {x: c.version_of(libs.get(x) or c.python_of(x), DISTS.get(x, x)) for x in {cl.partition("+")[0] for cl, _ in cases}},
    )
    return None


if __name__ == "__main__":
    sys.exit(main())
