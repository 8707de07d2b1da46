"""One server on loopback that stands for the whole internet of the seeds: an OpenAI endpoint, and as a proxy the ColBERTv2 server."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PASSAGES = [
    "Kinnairdy Castle | Kinnairdy Castle is a tower house in Aberdeenshire.",
    "David Gregory (physician) | David Gregory (1625 to 1720) inherited Kinnairdy Castle in 1664.",
    "Gregorian telescope | The Gregorian telescope is a reflecting telescope.",
]


class Internet:
    """What was asked: the prompts of the model, and the URLs of searches."""

    def __init__(self, answers: Mapping[str, Any] | Callable[[str, list[str]], Any]) -> None:
        self.answers = answers
        self.bodies: list[dict[str, Any]] = []
        self.searches: list[str] = []
        self.others: list[str] = []
        self.files: list[bytes] = []
        self.url = ""

    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to take this for the internet."""
        return {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": f"{self.url}/v1", "http_proxy": self.url, "no_proxy": "127.0.0.1,localhost"}

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        count = body.get("n") or 1
        messages = [self.message(body) for _ in range(count)]
        choices = [
            {"index": i, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
            for i, message in enumerate(messages)
        ]
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        return {"id": "c", "object": "chat.completion", "model": body["model"], "choices": choices, "usage": usage}

    def message(self, body: dict[str, Any]) -> dict[str, Any]:
        """A tool call where the request offers tools, else text."""
        tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
        if not tools:
            return {"role": "assistant", "content": self.text(body["messages"])}
        said = "\n".join(str(m.get("content")) for m in body["messages"])
        name = self.value("next_tool_name", said)
        arguments = json.loads(self.value("next_tool_args", said))
        if name == "finish":
            arguments = {k: self.answers.get(k) for k in tools[name]["parameters"]["properties"]}
        call = {"id": f"call-{len(self.bodies)}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        return {"role": "assistant", "content": "Look it up.", "tool_calls": [call]}

    def text(self, messages: list[dict[str, Any]]) -> str:
        last = str(messages[-1]["content"])
        wanted = [name for name in re.findall(r"`\[\[ ## (\w+) ## \]\]`", last.splitlines()[-1]) if name != "completed"]
        if not wanted:
            return "This is a test!"
        return "\n\n".join(f"[[ ## {name} ## ]]\n{self.value(name, last)}" for name in wanted) + "\n\n[[ ## completed ## ]]"

    def value(self, name: str, prompt: str) -> str:
        found = self.answers(name, prompt) if callable(self.answers) else self.answers.get(name)
        if callable(found):
            found = found(prompt)
        return "some text" if found is None else found if isinstance(found, str) else json.dumps(found)


@contextmanager
def internet(answers: Any) -> Iterator[Internet]:
    """The server for a `with` block; `answers` gives a value for each output field by its name."""
    state = Internet(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if "/fine_tuning/jobs" in url.path:
                state.others.append(self.path)
                self.reply({"id": "job-1", "status": "succeeded", "fine_tuned_model": "ft:tuned", "data": []})
                return
            if "wiki17" not in url.path:
                state.others.append(self.path)
                self.reply({"id": url.path.rpartition("/")[2], "status": "processed", "object": "model"})
                return
            state.searches.append(self.path)
            k = int(parse_qs(url.query)["k"][0])
            found = [{"pid": i, "rank": i + 1, "score": 9.0 - i, "prob": 0.3, "text": t} for i, t in enumerate(PASSAGES[:k])]
            self.reply({"topk": found, "latency": 1.0})

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            if self.path.endswith("/chat/completions"):
                self.reply(state.completion(json.loads(raw)))
                return
            state.others.append(self.path)
            state.files.append(raw)
            name = "job-1" if "fine_tuning" in self.path else "file-1"
            self.reply({"id": name, "status": "processed" if name == "file-1" else "running", "object": "file"})

        def reply(self, data: Any) -> None:
            raw = json.dumps(data).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
