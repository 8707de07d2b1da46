#!/usr/bin/env python3
"""CPU of whet's HTTP client per request, against a stub server in a process of its own.

    python bench/http_client.py [STUB_SERVER.py] [--n 4000] [--repeat 3]

Prints the client's CPU microseconds per request with 100 in flight on one event loop, and from 24 threads; each answer is checked for its
status and its text. The stub is pinned to the last core and the client to the first where there are two.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from whet.core.http import HttpRequest, HttpResponse, Pool

BODY = b'{"model":"stub","messages":[{"role":"user","content":"What do the four calling birds say to the partridge?"}]}'
HEADERS = {"content-type": "application/json", "authorization": "Bearer none"}


def checked(response: HttpResponse) -> None:
    """Fail loudly when the answer is not the stub's."""
    assert response.status == 200, response
    assert b"the stub says" in response.body, response.body[:200]


def threads(pool: Pool, url: str, n: int, count: int = 24) -> None:
    """`n` requests from `count` threads."""

    def work() -> None:
        for _ in range(n // count):
            checked(pool.send(HttpRequest(url=url, headers=HEADERS, body=BODY)))

    crew = [threading.Thread(target=work) for _ in range(count)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()


async def tasks(pool: Pool, url: str, n: int, count: int = 100) -> None:
    """`n` requests from `count` tasks."""

    async def work() -> None:
        for _ in range(n // count):
            checked(await pool.asend(HttpRequest(url=url, headers=HEADERS, body=BODY)))

    await asyncio.gather(*(work() for _ in range(count)))


async def timed(pool: Pool, url: str, n: int) -> tuple[float, float]:
    """CPU and wall microseconds per request, connections already open."""
    await tasks(pool, url, 200)
    cpu, wall = time.process_time(), time.perf_counter()
    await tasks(pool, url, n)
    return (time.process_time() - cpu) / n * 1e6, (time.perf_counter() - wall) / n * 1e6


def measure(url: str, n: int, repeat: int) -> None:
    """Print one line per mode, the best of `repeat` rounds (noise only adds)."""
    pool = Pool()
    found = [asyncio.run(timed(pool, url, n)) for _ in range(repeat)]
    cpu, wall = min(found)
    print(f"async, 100 in flight: {cpu:6.1f} us CPU per request, {1e6 / wall:7.0f} requests/s")
    threads(pool, url, 480)
    rounds = []
    for _ in range(repeat):
        cpu, wall = time.process_time(), time.perf_counter()
        threads(pool, url, n // 24 * 24)
        rounds.append(((time.process_time() - cpu) / n * 1e6, (time.perf_counter() - wall) / n * 1e6))
    cpu, wall = min(rounds)
    print(f"24 threads:           {cpu:6.1f} us CPU per request, {1e6 / wall:7.0f} requests/s")
    pool.close()


def main() -> None:
    """Start the stub, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stub", nargs="?", default=str(Path(__file__).with_name("stub_server.py")))
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    server = subprocess.Popen([sys.executable, args.stub, "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1] + "/chat/completions"
        if len(cores) > 1:
            os.sched_setaffinity(server.pid, {cores[-1]})
            os.sched_setaffinity(0, {cores[0]})
        measure(url, args.n, args.repeat)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
