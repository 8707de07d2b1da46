#!/usr/bin/env python3
"""What a step of a ReAct agent costs above its model and its tool, and 500 agents at once in one process.

python bench_agents.py [--lib dspy,whet] [--repeat 3] [--n 20] [--json FILE]

A step is the difference between runs of 10 and of 2 steps, so that what a run costs once is left out.
"""

import argparse
import asyncio
import sys
import threading
import time

import common as c

CASES = ["step", "astep", "native", "many"]


def text(**fields):
    return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items()) + "\n\n[[ ## completed ## ]]\n"


def replies(lib, steps):
    """What the model says in one run: so many calls of a tool, the end, and for DSPy the extraction that follows it."""
    call = text(next_thought="I add the next number.", next_tool_name="add", next_tool_args='{"x": 1, "y": 2}')
    if lib.__name__ == "whet":
        return [call] * steps + [text(next_thought="Done.", next_tool_name="finish", next_tool_args='{"answer": "3"}')]
    return [call] * steps + [
        text(next_thought="Done.", next_tool_name="finish", next_tool_args="{}"),
        text(reasoning="It was found.", answer="3"),
    ]


def model(lib, said, pause=0.0):
    """Answers in turn; with `pause` seconds before each answer in async code, chosen by how far the prompt is."""
    shaped = [c.openai_shaped(one) for one in said]

    class Scripted(lib.BaseLM):
        def __init__(self):
            super().__init__("instant", "chat", 0.0, 1000, False)
            self.next = 0

        def forward(self, prompt=None, messages=None, **kwargs):
            reply = shaped[self.next % len(shaped)]
            self.next += 1
            return reply

        async def aforward(self, prompt=None, messages=None, **kwargs):
            if not pause:
                return self.forward()
            await asyncio.sleep(pause)
            seen = messages[-1]["content"]
            turn = seen.count("observation_") if "next_tool_name" in messages[0]["content"] else len(shaped) - 1
            return shaped[turn]

    return Scripted()


def native_model(lib, steps):
    """whet's agent on a model that calls tools by itself."""
    from whet.core.messages import ToolCallPart

    class Native(lib.BaseLM):
        turn = 0

        def complete(self, request):
            self.turn += 1
            last = self.turn % (steps + 1) == 0
            name, args = ("finish", '{"answer": "3"}') if last else ("add", '{"x": 1, "y": 2}')
            call = ToolCallPart(id=str(self.turn), name=name, arguments=args)
            return lib.Response(choices=(lib.ResponseChoice(text="I add.", tool_calls=(call,)),), usage=lib.Usage())

    return Native("instant", cache=False, capabilities=lib.Capabilities(tools=True))


def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


def step_cost(lib, case, n):
    cost = {}
    for steps in (2, 10):
        lm = native_model(lib, steps) if case == "native" else model(lib, replies(lib, steps))
        lib.configure(lm=lm, adapter=lib.ChatAdapter(), disable_history=True)
        agent = lib.ReAct("question -> answer", tools=[add])

        def one(agent=agent):
            assert agent(question="How much?").answer == "3"

        async def aone(agent=agent):
            assert (await agent.acall(question="How much?")).answer == "3"

        if case == "astep":
            _, cost[steps] = asyncio.run(c.aper_call(aone, n, rounds=3, warm=3))
        else:
            _, cost[steps] = c.per_call(one, n, rounds=3, warm=3)
    c.emit(cpu_us_per_step=(cost[10] - cost[2]) / 8, cpu_us_run_of_2=cost[2])


def many(lib, agents=500, steps=3, pause=0.02):
    lib.configure(lm=model(lib, replies(lib, steps), pause), adapter=lib.ChatAdapter(), disable_history=True)
    agent = lib.ReAct("question -> answer", tools=[add])
    most = 0

    async def go():
        nonlocal most
        done = asyncio.gather(*(agent.acall(question=str(i)) for i in range(agents)))
        while not done.done():
            most = max(most, threading.active_count())
            await asyncio.sleep(0.005)
        return await done

    before, cpu, wall = c.rss_mb(), c.cpu_s(), time.perf_counter()
    results = asyncio.run(go())
    assert all(r.answer == "3" for r in results)
    c.emit(wall_s=time.perf_counter() - wall, cpu_s=c.cpu_s() - cpu, rss_growth_mb=c.rss_mb() - before, threads=most)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--worker", action="store_true")
    ap.add_argument("--lib")
    ap.add_argument("--case")
    ap.add_argument("--n", type=int, default=20)
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--json")
    a = ap.parse_args()
    if a.worker:
        lib = c.load(a.lib)
        return many(lib) if a.case == "many" else step_cost(lib, a.case, a.n)
    libs = c.framework_libs(a.lib)
    jobs = [
        (f"{lib} {case}", lambda py=py, lib=lib, case=case: c.run_worker(py, __file__, ["--lib", lib, "--case", case, "--n", a.n]))
        for case in (a.case.split(",") if a.case else CASES)
        for lib, py in libs
        if lib == "whet" or case != "native"
    ]
    out = c.interleave(jobs, a.repeat)
    rows = [[label, "; ".join(f"{k} {c.spread(v)}" for k, v in m.items()) + c.failed(m)] for label, m in out.items()]
    print(c.table(["case", "measured"], rows))
    c.save(a.json, "agents", out, {lib: c.version_of(py, lib) for lib, py in libs})
    return None


if __name__ == "__main__":
    sys.exit(main())
