"""A training service on loopback that follows the public APIs of OpenAI, Together and Databricks, and fails when it is told to."""

from __future__ import annotations

import json
import re
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class StubService(ThreadingHTTPServer):
    """Keeps files and jobs, counts what would be paid. `faults` are `(method, part of the path, kind)`, each used once: `"cut"` (nothing is
    done, the connection closes), `"lost"` (it is done, the answer is not sent), or a status such as 429."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.files: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, int] = {}
        self.requests: list[str] = []
        self.faults: list[tuple[str, str, Any]] = []
        self.polls = 2
        self.ends = "ok"
        self.cancelled: list[str] = []
        self.lock = threading.Lock()

    def fault(self, method: str, path: str) -> Any:
        with self.lock:
            for fault in self.faults:
                if fault[0] == method and fault[1] in path:
                    self.faults.remove(fault)
                    return fault[2]
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    server: StubService

    def do_GET(self) -> None:
        self.handle_one("GET", b"")

    def do_PUT(self) -> None:
        self.handle_one("PUT", self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_POST(self) -> None:
        self.handle_one("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, format: str, *args: Any) -> None:
        """Quietly."""

    def handle_one(self, method: str, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        with self.server.lock:
            self.server.requests.append(f"{method} {path}")
        if self.headers.get("Authorization") != "Bearer right-key":
            return self.reply(401, {"error": {"message": "bad key"}})
        fault = self.server.fault(method, path)
        if fault == "cut":
            return self.hang_up()
        if isinstance(fault, int):
            return self.reply(fault, {"error": {"message": f"told to say {fault}"}}, {"retry-after": "0.01"})
        with self.server.lock:
            status, answer = self.answer(method, path, body)
        if fault == "lost":
            return self.hang_up()
        return self.reply(status, answer)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def reply(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    # -- the three APIs ----------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if path.startswith("/api/"):
            return self.databricks(method, path, body)
        path = path.removeprefix("/v1")
        if path.startswith("/models/"):
            return (200, {"id": path[8:]}) if "gpt" in path else (404, {"error": {"message": "no such model"}})
        if path in ("/files", "/files/upload") and method == "POST":
            return self.uploaded(body)
        if path == "/files":
            return 200, {"data": list(self.server.files.values()), "has_more": False}
        if path in ("/fine_tuning/jobs", "/fine-tunes"):
            return self.created(path, json.loads(body)) if method == "POST" else (200, {"data": list(self.server.jobs.values())})
        if found := re.fullmatch(r"/(?:fine_tuning/jobs|fine-tunes)/([^/]+)(/events|/cancel)?", path):
            return self.job(found[1], found[2], together="fine-tunes" in path)
        return 404, {"error": {"message": f"no such path {path}"}}

    def uploaded(self, body: bytes) -> tuple[int, Any]:
        form = message_from_bytes(b"content-type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
        parts = {p.get_param("name", header="content-disposition"): p for p in form.get_payload()}
        content = parts["file"].get_payload(decode=True).rstrip(b"\r\n") + b"\n"
        if parts["purpose"].get_payload().strip() != "fine-tune":
            return 400, {"error": {"message": "purpose"}}
        for line in content.splitlines():
            json.loads(line)
        name = f"file-{len(self.server.files) + 1}"
        self.server.files[name] = {"id": name, "filename": parts["file"].get_filename(), "bytes": len(content), "status": "processed"}
        return 200, self.server.files[name]

    def created(self, path: str, wanted: dict[str, Any]) -> tuple[int, Any]:
        if wanted["training_file"] not in self.server.files:
            return 400, {"error": {"message": "no such file"}}
        name = f"ftjob-{len(self.server.jobs) + 1}"
        self.server.jobs[name] = {**wanted, "id": name, "status": "queued", "seen": 0}
        return 200, self.server.jobs[name]

    def job(self, name: str, what: str | None, together: bool) -> tuple[int, Any]:
        job = self.server.jobs[name]
        if what == "/events":
            return 200, {"data": [{"message": "step 2: loss 0.5"}, {"message": "step 1: loss 1.5"}]}
        if what == "/cancel":
            self.server.cancelled.append(name)
            return 200, job
        job["seen"] += 1
        if job["seen"] <= self.server.polls:
            job["status"] = "running"
        elif self.server.ends == "ok":
            model = f"tuned-{job['suffix']}"
            job |= {"status": "completed", "model_output_name": model} if together else {"status": "succeeded", "fine_tuned_model": model}
        else:
            reason = {"events": [{"message": self.server.ends}]} if together else {"error": {"message": self.server.ends}}
            job |= {"status": "error" if together else "failed", **reason}
        return 200, job

    def databricks(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        query = parse_qs(urlsplit(self.path).query)
        if path.endswith("/jobs/get"):
            return (200, {"job_id": 7}) if query["job_id"] == ["7"] else (404, {"message": "no such job"})
        if path.startswith("/api/2.0/fs/directories"):
            return 200, {"contents": list(self.server.files.values())}
        if path.startswith("/api/2.0/fs/files"):
            name = path.rpartition("/")[2]
            self.server.files[name] = {"name": name, "file_size": len(body)}
            return 200, {}
        if path.endswith("/jobs/run-now"):
            return self.run_now(json.loads(body))
        if path.endswith("/runs/get"):
            return self.run_state(query["run_id"][0])
        if path.endswith("/runs/cancel"):
            self.server.cancelled.append(str(json.loads(body)["run_id"]))
            return 200, {}
        if path.endswith("/versions"):
            return 200, {"model_versions": [{"version": 1}, {"version": 3}]}
        if path == "/api/2.0/serving-endpoints":
            self.server.endpoints[json.loads(body)["name"]] = 0
            return 200, {}
        return self.endpoint(path.rpartition("/")[2])

    def run_now(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        for name, job in self.server.jobs.items():
            if job["idempotency_token"] == wanted["idempotency_token"]:
                return 200, {"run_id": int(name)}
        name = str(len(self.server.jobs) + 1)
        self.server.jobs[name] = {**wanted, "seen": 0}
        return 200, {"run_id": int(name)}

    def run_state(self, name: str) -> tuple[int, Any]:
        job = self.server.jobs[name]
        job["seen"] += 1
        if job["seen"] <= self.server.polls:
            return 200, {"state": {"life_cycle_state": "RUNNING"}}
        result = "SUCCESS" if self.server.ends == "ok" else "FAILED"
        return 200, {"state": {"life_cycle_state": "TERMINATED", "result_state": result, "state_message": self.server.ends}}

    def endpoint(self, name: str) -> tuple[int, Any]:
        if name not in self.server.endpoints:
            return 404, {"message": "no such endpoint"}
        self.server.endpoints[name] += 1
        return 200, {"state": {"ready": "READY" if self.server.endpoints[name] > 2 else "NOT_READY"}}
