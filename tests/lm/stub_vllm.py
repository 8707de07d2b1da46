"""Stands on PATH as `vllm`: takes the command line of `vllm serve`, and serves OpenAI's format over HTTP. `STUB_VLLM` tells it to fail.

It starts a second process, as the real one starts its workers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULT = os.environ.get("STUB_VLLM", "")
BEGUN = time.monotonic()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""

    def do_GET(self) -> None:
        if self.path == "/health":
            self.reply({}, 503 if time.monotonic() - BEGUN < 0.3 or FAULT == "ill" else 200)
        elif self.path == "/v1/models":
            self.reply({"object": "list", "data": [{"id": "another" if FAULT == "another" else self.name}]})
        else:
            self.reply({"error": {"message": "no such path"}}, 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print("asked", json.dumps(body), flush=True)
        if body["model"] != self.name:
            self.reply({"error": {"message": f"no model {body['model']}"}}, 404)
            return
        said = body["messages"][-1]["content"]
        if "die" in said:
            print("out of memory", flush=True)
            os._exit(7)
        answer = f"served: {said[:40]} at {body.get('temperature')}"
        choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        self.reply({"model": self.name, "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})

    def reply(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quietly."""


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("command", choices=["serve"])
    given.add_argument("model")
    for name in ("--host", "--port", "--served-model-name", "--max-model-len"):
        given.add_argument(name)
    options = given.parse_args()
    print("serving", options.model, options.max_model_len, flush=True)
    if FAULT == "dies":
        sys.exit("CUDA is not there")
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("worker", worker.pid, flush=True)
    Handler.name = options.served_model_name
    ThreadingHTTPServer((options.host, int(options.port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
