"""The vendors' own packages, real and installed, on loopback: sign-in through them, and their readers and signatures beside ours."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.integration.server import completion

import whet
from whet.core.exchange import Choice, Response, Usage
from whet.core.messages import ToolCallPart
from whet.errors import LMError, LMNotConfiguredError, LMRateLimitError, LMServerError
from whet.lm.wire.sigv4 import AwsKeys, signed_headers
from whet.testing import StubServer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore.*", "ignore::DeprecationWarning:google.*")
CANARY = "canary-4f3e2d1c0b9a8877"


class Seen:
    """What a place was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, dict[str, str], bytes]] = []


@contextmanager
def place(answer: Callable[[str, dict[str, str], bytes], Any]) -> Iterator[Seen]:
    """A server that answers GET and POST with JSON."""
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen.asked.append((self.path, headers, body))
            found = answer(self.path, headers, body)
            status, data = found if isinstance(found, tuple) else (200 if found is not None else 404, found or {})
            raw = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()


# -- Google ----------------------------------------------------------------------------------------------------------------------------


def service_account(tmp_path: Path, token_uri: str) -> Path:
    """A key file as Google's console makes them, for nobody."""
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    path = tmp_path / "key.json"
    who = {"type": "service_account", "project_id": "p", "private_key_id": "1", "client_email": "me@p.test", "client_id": "1"}
    path.write_text(json.dumps({**who, "private_key": pem, "token_uri": token_uri}), encoding="utf-8")
    return path


def test_google_auth_signs_in_with_a_service_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    count = 0

    def token(path: str, headers: dict[str, str], body: bytes) -> Any:
        nonlocal count
        count += 1
        assert parse_qs(body.decode())["assertion"][0].count(".") == 2, "a signed statement"
        return {"access_token": f"{CANARY}-{count}", "expires_in": 3600, "token_type": "Bearer"}

    with place(token) as oauth, StubServer("gemini", "Bonjour") as stub:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path, f"{oauth.url}/token")))
        lm = whet.LM("vertex_ai/gemini-2.5-pro", api_base=stub.api_base, cache=False, num_retries=0)
        assert lm("Hi") == ["Bonjour"]
        assert asyncio.run(lm.acall("Hi")) == ["Bonjour"]
        assert [e.text for e in lm.stream("Hi") if e.kind == "text"] == ["Bonjour"]
        assert [r.headers["authorization"] for r in stub.received] == [f"Bearer {CANARY}-1"] * 3, "one token serves until it expires"
    assert CANARY not in repr(lm.__dict__) + json.dumps(lm.dump_state())


def test_a_sign_in_that_google_refuses_says_what_would_help(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    with place(lambda *_: (400, {"error": "invalid_grant"})) as oauth, StubServer("gemini", "Bonjour") as stub:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path, f"{oauth.url}/token")))
        with pytest.raises(LMNotConfiguredError, match=r"(?s)GOOGLE_APPLICATION_CREDENTIALS.*invalid_grant"):
            whet.LM("vertex_ai/gemini-2.5-pro", api_base=stub.api_base, cache=False)("Hi")
        assert stub.count == 0


# -- Databricks ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABRICKS_TOKEN", "DATABRICKS_API_KEY", "DATABRICKS_HOST", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def workspace(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], at_sign_in: Callable[[], None] = lambda: None) -> Iterator[None]:
    """A Databricks workspace that signs a service principal in, and gives these answers to who shows its token."""

    def answer(path: str, headers: dict[str, str], body: bytes) -> Any:
        if path == "/.well-known/databricks-config":
            return {"oidc_endpoint": f"{seen.url}/oidc"}
        if path.startswith("/oidc/.well-known"):
            return {"token_endpoint": f"{seen.url}/oidc/v1/token", "authorization_endpoint": f"{seen.url}/oidc/v1/authorize"}
        if path == "/oidc/v1/token":
            at_sign_in()
            return {"access_token": CANARY, "token_type": "Bearer", "expires_in": 3600}
        return answers.get(path) if headers["authorization"] == f"Bearer {CANARY}" else None

    with place(answer) as seen:
        monkeypatch.setenv("DATABRICKS_HOST", seen.url)
        monkeypatch.setenv("DATABRICKS_CLIENT_ID", "me")
        monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "secret-of-mine")
        yield


@pytest.mark.usefixtures("nobody")
def test_the_databricks_sdk_signs_in_as_a_service_principal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("databricks.sdk")

    with workspace(monkeypatch, {"/serving-endpoints/chat/completions": completion("Guten Tag")}):
        lm = whet.LM("databricks/databricks-meta-llama-3-3-70b-instruct", cache=False, num_retries=0)
        assert lm("Hi") == asyncio.run(lm.acall("Hi")) == ["Guten Tag"]
    assert CANARY not in repr(lm.__dict__) + json.dumps(lm.dump_state())


@pytest.mark.usefixtures("nobody")
def test_embeddings_sign_in_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("databricks.sdk")

    def slowly() -> None:
        before = ticks
        time.sleep(0.3)
        ticked.append(ticks - before)

    ticks, ticked = 0, []

    async def main() -> list[float]:
        nonlocal ticks
        embedding = asyncio.ensure_future(whet.Embedder("databricks/databricks-gte-large-en", caching=False).acall("Hi"))
        while not embedding.done():
            await asyncio.sleep(0.005)
            ticks += 1
        return list(await embedding)

    answers = {"/serving-endpoints/embeddings": {"data": [{"index": 0, "embedding": [0.5, 2.0]}]}}
    with workspace(monkeypatch, answers, slowly):
        importlib.import_module("databricks.sdk.core")  # takes its time, and is not the question here
        assert asyncio.run(main()) == [0.5, 2.0]
    assert min(ticked) > 0, "the loop stood still while the SDK signed in"


@pytest.mark.usefixtures("nobody")
def test_a_sign_in_that_the_databricks_sdk_cannot_do_says_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("databricks.sdk")
    with place(lambda *_: {}) as seen:
        monkeypatch.setenv("DATABRICKS_HOST", seen.url)
        with pytest.raises(LMNotConfiguredError, match="DATABRICKS_API_KEY"):
            whet.LM("databricks/dbrx", cache=False)("Hi")


# -- Amazon ----------------------------------------------------------------------------------------------------------------------------

RICH = Response(
    choices=(
        Choice(
            text="Let me look",
            reasoning="Weather",
            tool_calls=(ToolCallPart(id="call_1", name="weather", arguments='{"city": "Oslo"}'),),
            finish_reason="tool_calls",
        ),
    ),
    usage=Usage(input_tokens=12, output_tokens=7),
)


@pytest.mark.usefixtures("nobody")
def test_boto3_finds_credentials_that_only_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    keys = {"AccessKeyId": "AKIDROLE", "SecretAccessKey": CANARY, "Token": "session", "Expiration": "2999-01-01T00:00:00Z"}
    with place(lambda *_: keys) as role, StubServer("bedrock", "Ciao") as stub:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{role.url}/role")
        lm = whet.LM("bedrock/anthropic.claude-3-haiku", api_base=stub.api_base, aws_region_name="eu-west-1", cache=False, num_retries=0)
        assert lm("Hi") == asyncio.run(lm.acall("Hi")) == ["Ciao"]
    sent = stub.received[-1].headers
    assert "Credential=AKIDROLE/" in sent["authorization"] and sent["x-amz-security-token"] == "session"


@pytest.mark.usefixtures("nobody")
def test_without_any_credentials_nothing_is_sent() -> None:
    pytest.importorskip("boto3")
    with StubServer("bedrock", "Ciao") as stub:
        with pytest.raises(LMNotConfiguredError, match="AWS_ACCESS_KEY_ID"):
            whet.LM("bedrock/anthropic.claude-3-haiku", api_base=stub.api_base, cache=False)("Hi")
        with pytest.raises(LMNotConfiguredError, match="nosuch"):
            whet.LM("bedrock/anthropic.claude-3-haiku", api_base=stub.api_base, aws_profile_name="nosuch", cache=False)("Hi")
        assert stub.count == 0


def test_our_signature_is_amazons_own() -> None:
    auth, request = pytest.importorskip("botocore.auth"), pytest.importorskip("botocore.awsrequest")
    credentials = pytest.importorskip("botocore.credentials")
    url, body = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/a.b-c%3A0/converse", b'{"messages":[]}'
    ours = signed_headers(
        AwsKeys(access="AKID", secret="secret", token="session"), "POST", url, {"content-type": "application/json"}, body,
        region="eu-west-1", service="bedrock",
    )  # fmt: skip
    theirs = request.AWSRequest("POST", url, headers={"content-type": "application/json"}, data=body)
    signer = auth.SigV4Auth(credentials.Credentials("AKID", "secret", "session"), "bedrock", "eu-west-1")
    theirs.context["timestamp"] = ours["x-amz-date"]
    theirs.headers["X-Amz-Date"], theirs.headers["X-Amz-Security-Token"] = ours["x-amz-date"], "session"
    signature = signer.signature(signer.string_to_sign(theirs, signer.canonical_request(theirs)), theirs)
    assert ours["authorization"].endswith(f"Signature={signature}")
    assert datetime.strptime(ours["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) <= datetime.now(UTC)


def test_amazons_client_reads_the_stub_as_we_do() -> None:
    boto3 = pytest.importorskip("boto3")
    messages = [{"role": "user", "content": [{"text": "Weather?"}]}]
    with StubServer("bedrock", RICH) as stub:
        client = boto3.client(
            "bedrock-runtime", endpoint_url=stub.api_base, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        whole = client.converse(modelId="m", messages=messages)
        events = list(client.converse_stream(modelId="m", messages=messages)["stream"])
        client.close()
    blocks = whole["output"]["message"]["content"]
    assert [next(iter(block)) for block in blocks] == ["reasoningContent", "text", "toolUse"]
    assert whole["stopReason"] == "tool_use" and whole["usage"]["inputTokens"] == 12
    texts = [e["contentBlockDelta"]["delta"].get("text", "") for e in events if "contentBlockDelta" in e]
    assert "".join(texts) == "Let me look"
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 7


def test_amazons_client_reads_the_stub_of_sagemaker_as_we_do() -> None:
    boto3 = pytest.importorskip("boto3")
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with StubServer("sagemaker", "Let me look") as stub:
        client = boto3.client("sagemaker-runtime", endpoint_url=stub.api_base, region_name="us-east-1", **keys)
        asked = {"EndpointName": "my-endpoint", "ContentType": "application/json"}
        whole = client.invoke_endpoint(**asked, Body=b'{"messages": []}')["Body"].read()
        events = client.invoke_endpoint_with_response_stream(**asked, Body=b'{"messages": [], "stream": true}')["Body"]
        streamed = b"".join(event["PayloadPart"]["Bytes"] for event in events)
        client.close()
        lm = whet.LM("sagemaker/my-endpoint", api_base=stub.api_base, aws_region_name="us-east-1", cache=False, num_retries=0, **keys)
        assert lm("Hi") == ["Let me look"]
        theirs, _, ours = stub.received
    assert json.loads(whole)["choices"][0]["message"]["content"] == "Let me look"
    assert streamed.endswith(b"data: [DONE]\n\n")
    assert theirs.path == ours.path == "/endpoints/my-endpoint/invocations"
    scopes = [one.headers["authorization"].partition(",")[0].split("/")[2:] for one in (theirs, ours)]
    assert scopes == [["us-east-1", "sagemaker", "aws4_request"]] * 2


# -- LiteLLM ---------------------------------------------------------------------------------------------------------------------------

# It must not be imported here: whet sees to it that it fetches nothing when it is.
needs_litellm = pytest.mark.skipif(find_spec("litellm") is None, reason="LiteLLM (200 MB) is not installed")


@needs_litellm
@pytest.mark.parametrize(("format", "name"), [("openai", "litellm/openai/any"), ("anthropic", "litellm/anthropic/claude-3-haiku-20240307")])
def test_litellm_carries_the_long_tail(monkeypatch: pytest.MonkeyPatch, format: str, name: str) -> None:
    with StubServer(format, RICH) as stub:
        base = stub.api_base.removesuffix("/v1") if format == "anthropic" else stub.api_base
        lm = whet.LM(name, api_base=base, api_key=f"sk-{CANARY}", cache=False, num_retries=0)
        for said in (lm("Weather?")[0], asyncio.run(lm.acall("Weather?"))[0]):
            assert said["text"] == "Let me look"
            assert said["tool_calls"][0]["function"]["name"] == "weather"
        assert lm.history[-1]["usage"]["prompt_tokens"] == 12
        stream = lm.stream("Weather?")
        assert "".join(event.text for event in stream if event.kind == "text") == "Let me look"
        assert stream.response is not None and stream.response.choices[0].tool_calls[0].name == "weather"
    assert CANARY not in repr(lm.__dict__)


@needs_litellm
@pytest.mark.parametrize(("fault", "kind"), [("429", LMRateLimitError), ("500", LMServerError), ("garbage", LMError)])
def test_litellms_errors_become_ours(fault: str, kind: type[LMError]) -> None:
    with StubServer("openai", "x", faults=[fault]) as stub:
        lm = whet.LM("litellm/openai/any", api_base=stub.api_base, api_key=f"sk-{CANARY}", cache=False, num_retries=0)
        with pytest.raises(kind) as caught:
            lm("Hi")
    assert CANARY not in f"{caught.value!r}{caught.value}"
