"""An OpenAI-compatible server on loopback for tests: answers from a function, counts and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = str | tuple[int, dict[str, str], Any]


class Server:
    """What a test sees: `url`, the `bodies` and `headers` of every request, and `most` requests at once."""

    def __init__(self, answer: Callable[[dict[str, Any], int], Answer]) -> None:
        self.answer = answer
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self.url = ""

    @property
    def count(self) -> int:
        return len(self.bodies)


def completion(text: str, finish_reason: str = "stop") -> dict[str, Any]:
    """A chat completion as OpenAI's API reference describes it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "served-model",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }


class _Patient(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512  # a few hundred callers may knock at once


@contextmanager
def serving(answer: Callable[[dict[str, Any], int], Answer] | str) -> Iterator[Server]:
    """A server for a `with` block; `answer` is a text, or a function of the body and the number of the request."""
    state = Server(answer if callable(answer) else lambda body, number: answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with state.lock:
                state.bodies.append(body)
                state.headers.append({k.lower(): v for k, v in self.headers.items()})
                number = len(state.bodies)
            given = state.answer(body, number)
            status, headers, data = (200, {}, completion(given)) if isinstance(given, str) else given
            raw = data if isinstance(data, bytes) else json.dumps(data).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", "content-length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = _Patient(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
