#!/usr/bin/env python3
"""A fast, deterministic, OpenAI-compatible chat server for client benchmarks, on loopback only.

    python bench/stub_server.py [--port 8765] [--words 8] [--seconds 0]

POST /v1/chat/completions (plain and streamed), GET /v1/models, GET /stats, GET /stats/reset. What a reply holds depends only on the
request: `[[ ## field ## ]]` sections for the marked fields that the last message leaves open, a JSON object when `response_format` asks
for one, else a fixed sentence. Knobs stand in the path, so that one server serves every run: /l50,i5,w200/v1/... is 50 ms before the
first byte, 5 ms between streamed words, 200 words in a text field.
"""

import argparse
import asyncio
import contextlib
import json
import re
import time

try:
    import orjson

    loads, dumps = orjson.loads, orjson.dumps
except ImportError:  # slower, same replies
    loads = json.loads

    def dumps(value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


WORDS = ("the", "stub", "says", "that", "four", "calling", "birds", "is", "a", "plain", "answer", "to", "this")
LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")
KNOBS = re.compile(r"^/((?:[liw][\d.]+,?)+)(/.*)$")
MARKER = re.compile(r"\[\[ ## (\w+) ## \]\]")
FILLED = re.compile(r"^\[\[ ## (\w+) ## \]\][ \t]*\n", re.MULTILINE)
EXAMPLES = {"int": "7", "float": "0.5", "bool": "true"}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


def text_of(count):
    return " ".join(WORDS[i % len(WORDS)] for i in range(count))


def http(body, status=b"200 OK"):
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def chunked(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def content_text(content):
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content or ""


def open_fields(system, last):
    """The marked fields that the last message does not fill in itself, in the order in which they are named."""
    filled = {*FILLED.findall(last), "completed"}
    return tuple(name for name in dict.fromkeys(MARKER.findall(system) + MARKER.findall(last)) if name not in filled)


def answer(system, fields, as_json, words):
    """The text of a reply: each open field with a value of the type that the system text names."""
    if not fields:
        return json.dumps({"answer": text_of(words)}) if as_json else text_of(words)
    values = {}
    for name in fields:
        kind = re.search(rf"`{name}`\s*[(:]\s*`?(int|float|bool)\b", system)
        values[name] = EXAMPLES[kind.group(1)] if kind else text_of(words)
    if as_json:
        return json.dumps(values)
    return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()) + "\n\n[[ ## completed ## ]]"


class Replies:
    """Builds replies and keeps each: a reply is a function of its key alone."""

    def __init__(self):
        self.made = {}

    def chat(self, request, words):
        messages = request.get("messages") or [{}]
        last = content_text(messages[-1].get("content"))
        system = content_text(messages[0].get("content")) if "[[ ## " in last else ""
        as_json = (request.get("response_format") or {}).get("type") in ("json_object", "json_schema")
        usage = bool((request.get("stream_options") or {}).get("include_usage"))
        fields = open_fields(system, last) if system else ()
        key = (words, request.get("model", "stub"), fields, system, as_json, bool(request.get("stream")), usage, request.get("n") or 1)
        if key not in self.made:
            self.made[key] = self.build(*key)
        return self.made[key]

    def build(self, words, model, fields, system, as_json, stream, usage, n):
        text = answer(system, fields, as_json, words)
        size = len(text.split())
        count = {"prompt_tokens": 100, "completion_tokens": size, "total_tokens": 100 + size}
        head = {"id": "chatcmpl-stub", "created": 1_700_000_000, "model": model}
        if not stream:
            message = {"role": "assistant", "content": text, "refusal": None}
            choices = [{"index": i, "message": message, "logprobs": None, "finish_reason": "stop"} for i in range(n)]
            return http(dumps({**head, "object": "chat.completion", "choices": choices, "usage": count}))

        def event(delta, reason=None, **rest):
            choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
            return b"data: " + dumps({**head, "object": "chat.completion.chunk", "choices": choices, **rest}) + b"\n\n"

        pieces = re.findall(r"\s*\S+", text)
        events = [event({"role": "assistant", "content": ""}) + event({"content": pieces[0]})]
        events += [event({"content": word}) for word in pieces[1:]]
        end = event({}, "stop") + (event(None, usage=count) if usage else b"")
        return [*events, end + b"data: [DONE]\n\n"]


class Stats:
    """Counters, since the last reset."""

    def __init__(self):
        self.open = self.in_flight = 0
        self.reset()

    def reset(self):
        self.requests = self.connections = self.streams = 0
        self.peak_in_flight, self.peak_open, self.since = self.in_flight, self.open, time.time()

    def dump(self):
        counters = {"requests": self.requests, "streams": self.streams, "peak_in_flight": self.peak_in_flight}
        connections = {"connections_opened": self.connections, "connections_open": self.open, "peak_connections_open": self.peak_open}
        return dumps({**counters, **connections, "seconds": time.time() - self.since})


class Connection(asyncio.Protocol):
    """One client; its requests are answered in order."""

    __slots__ = ("app", "buffer", "busy", "closed", "transport")

    def __init__(self, app):
        self.app, self.transport, self.buffer, self.busy, self.closed = app, None, b"", False, False

    def connection_made(self, transport):
        self.transport = transport
        stats = self.app.stats
        stats.connections += 1
        stats.open += 1
        stats.peak_open = max(stats.peak_open, stats.open)

    def connection_lost(self, exc):
        self.closed = True
        self.app.stats.open -= 1
        if self.busy:
            self.app.stats.in_flight -= 1
            self.busy = False

    def data_received(self, data):
        self.buffer = self.buffer + data if self.buffer else data
        if not self.busy:
            self.step()

    def step(self):
        """Serve one request if the buffer holds a whole one."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end]
        length = LENGTH.search(head)
        stop = end + 4 + (int(length.group(1)) if length else 0)
        if len(self.buffer) < stop:
            return
        body, self.buffer = self.buffer[end + 4 : stop], self.buffer[stop:]
        self.route(head.split(b" ", 2)[1].decode("latin-1"), body)

    def route(self, path, body):
        stats = self.app.stats
        if path.startswith("/stats"):
            out = http(stats.dump())
            if path.endswith("reset"):
                stats.reset()
            return self.send(out)
        latency, interval, words, path = self.app.knobs(path)
        stats.requests += 1
        stats.in_flight += 1
        stats.peak_in_flight = max(stats.peak_in_flight, stats.in_flight)
        self.busy = True
        if path.startswith("/v1/chat/completions"):
            reply = self.app.replies.chat(loads(body), words)
        elif path.startswith("/v1/models"):
            reply = http(dumps({"object": "list", "data": [{"id": "stub", "object": "model"}]}))
        else:
            reply = http(b'{"error":{"message":"no such path","type":"invalid_request_error"}}', status=b"404 Not Found")
        if latency > 0:
            self.app.loop.call_later(latency, self.reply, reply, interval)
        else:
            self.reply(reply, interval)
        return None

    def reply(self, reply, interval):
        if self.closed:
            return
        if isinstance(reply, bytes):
            self.done(reply)
            return
        self.app.stats.streams += 1
        if interval <= 0:
            self.done(STREAM_HEAD + b"".join([chunked(e) for e in reply]) + b"0\r\n\r\n")
        else:
            self.transport.write(STREAM_HEAD + chunked(reply[0]))
            self.tick(reply, 1, self.app.loop.time(), interval)

    def tick(self, events, i, start, interval):
        self.app.loop.call_at(start + i * interval, self.push, events, i, start, interval)

    def push(self, events, i, start, interval):
        if self.closed:
            return
        if i == len(events) - 1:
            self.done(chunked(events[i]) + b"0\r\n\r\n")
        else:
            self.transport.write(chunked(events[i]))
            self.tick(events, i + 1, start, interval)

    def done(self, data):
        self.busy = False
        self.app.stats.in_flight -= 1
        self.send(data)

    def send(self, data):
        self.transport.write(data)
        if self.buffer:
            self.step()


class App:
    """What all connections share."""

    def __init__(self, words):
        self.words, self.stats, self.replies = words, Stats(), Replies()
        self.loop = asyncio.get_running_loop()

    def knobs(self, path):
        latency, interval, words = 0.0, 0.0, self.words
        match = None if path.startswith("/v1") else KNOBS.match(path)
        if match:
            path = match.group(2)
            for knob in filter(None, match.group(1).split(",")):
                if knob[0] == "l":
                    latency = float(knob[1:]) / 1000
                elif knob[0] == "i":
                    interval = float(knob[1:]) / 1000
                else:
                    words = int(knob[1:])
        return latency, interval, words, path


async def serve(port, words, seconds):
    app = App(words)
    server = await app.loop.create_server(lambda: Connection(app), "127.0.0.1", port, backlog=4096)
    print(f"stub server on http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    if seconds:
        await asyncio.sleep(seconds)
    else:
        await server.serve_forever()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--port", type=int, default=8765)
    ap.add_argument("--words", type=int, default=8, help="words in each text field")
    ap.add_argument("--seconds", type=float, default=0, help="stop by itself after so long (0: never)")
    args = ap.parse_args()
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    with contextlib.suppress(KeyboardInterrupt):
        run(serve(args.port, args.words, args.seconds))


if __name__ == "__main__":
    main()
