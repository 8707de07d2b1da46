"""Where requests go and how they sign in: Azure, Databricks, Vertex, Bedrock, Ollama, and servers of one's own."""

from __future__ import annotations

import sys
import types
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.core.secret import Secret
from whet.errors import LMConfigurationError, LMNotConfiguredError, MissingExtraError
from whet.lm.facts import facts_of, provider_of, providers
from whet.lm.lm import LM
from whet.lm.site.access import access_of
from whet.lm.site.table import site_of
from whet.lm.wire.sigv4 import AwsKeys, signed_headers
from whet.testing import StubServer


def site(model: str, **given: Any) -> Any:
    facts = facts_of(model)
    return site_of(provider_of(facts.provider), facts, access_of(given))


def where(model: str, path: str = "/chat/completions", **given: Any) -> tuple[str, dict[str, str]]:
    url, headers = site(model, **given).address(path, {"content-type": "application/json"}, b"{}")
    return url, dict(headers)


NAMES = """openai/gpt-4o anthropic/claude-3-opus-20240229 gemini/gemini-2.5-flash azure/dep databricks/dbrx ollama_chat/llama3.2
together_ai/meta-llama/Llama-3.3-70B anyscale/m groq/llama openrouter/openai/gpt-4o mistral/mistral-large-latest deepseek/deepseek-chat
xai/grok-3 fireworks_ai/m bedrock/anthropic.claude-3-haiku-20240307-v1:0 vertex_ai/gemini-2.5-pro hosted_vllm/m""".split()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_list_leads_to_an_address(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = provider_of(name.partition("/")[0])
    assert provider.known
    for variable in provider.key_env[:1]:
        monkeypatch.setenv(variable, "key-from-the-environment")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "proj")
    if provider.base_url is None and provider.name not in ("bedrock", "vertex_ai"):
        monkeypatch.setenv(provider.base_env[0], "https://here.example.com/base")
    url, headers = where(name)
    assert url.startswith("http")
    assert "key-from-the-environment" in " ".join(headers.values()) or provider.key_optional
    assert headers["user-agent"].startswith("whet/")
    LM(name)  # and the model can be made


def test_a_missing_key_names_its_variables_before_any_io() -> None:
    with whet.testing.no_real_calls():
        for name, variable in [("groq/m", "GROQ_API_KEY"), ("anthropic/m", "ANTHROPIC_API_KEY"), ("databricks/m", "DATABRICKS_API_KEY")]:
            with pytest.raises(LMNotConfiguredError, match=variable):
                LM(name, cache=False, num_retries=0, api_base="https://x.example.com")("Hi")


def test_an_unknown_provider_says_which_names_would_fit() -> None:
    with pytest.raises(LMNotConfiguredError, match="did you mean `anthropic`.*ANTROPIC_API_BASE"):
        LM("antropic/claude", api_key="k", cache=False, num_retries=0)("Hi")


def test_an_unknown_provider_with_a_base_is_an_openai_compatible_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_LAB_API_BASE", "http://lab:1/v1/")
    monkeypatch.setenv("MY_LAB_API_KEY", "k1")
    assert where("my-lab/m") == (
        "http://lab:1/v1/chat/completions",
        {"content-type": "application/json", "authorization": "Bearer k1", "user-agent": f"whet/{whet.__version__}"},
    )


def test_keys_are_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    here = site("groq/m")
    for key in ("one", "two"):
        monkeypatch.setenv("GROQ_API_KEY", key)
        assert here.address("/x", {}, b"")[1]["authorization"] == f"Bearer {key}"
    tokens = iter(["a", "b"])
    here = site("groq/m", api_key=lambda: next(tokens))
    assert [here.address("/x", {}, b"")[1]["authorization"] for _ in "ab"] == ["Bearer a", "Bearer b"]


def test_own_headers_win_and_an_empty_key_sends_none() -> None:
    headers = where("groq/m", api_key="k", headers={"User-Agent": "mine", "X-Team": "red"})[1]
    assert (headers["user-agent"], headers["x-team"]) == ("mine", "red")
    assert "authorization" not in where("ollama_chat/llama3.2", "/api/chat", api_key="")[1]


# -- azure ----------------------------------------------------------------


def test_azure_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    base = "https://r.openai.azure.com"
    url, headers = where("azure/my-gpt", api_base=base + "/", api_key="k")
    assert url == f"{base}/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
    assert headers["api-key"] == "k" and "authorization" not in headers
    assert where("azure/my-gpt", api_base=base, api_key="k", api_version="2025-01-01")[0].endswith("api-version=2025-01-01")
    assert where("azure/my-gpt", "/responses", api_base=base, api_key="k")[0] == f"{base}/openai/v1/responses"
    assert where("azure/my-gpt", api_base=f"{base}/openai/v1", api_key="k")[0] == f"{base}/openai/v1/chat/completions"
    assert where("azure/my-gpt", api_base=f"{base}/openai/deployments/d", api_key="k")[0].startswith(f"{base}/openai/deployments/d/chat")
    monkeypatch.setenv("AZURE_API_KEY", "from-env")
    for given in ({"azure_ad_token": "tok"}, {"azure_ad_token_provider": lambda: "tok"}):
        headers = where("azure/my-gpt", api_base=base, **given)[1]
        assert headers["authorization"] == "Bearer tok" and "api-key" not in headers
    monkeypatch.setenv("AZURE_AD_TOKEN", "env-tok")
    assert where("azure/my-gpt", api_base=base)[1]["authorization"] == "Bearer env-tok"


# -- databricks ----------------------------------------------------------------


def test_databricks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_API_KEY", "dapi-1")
    monkeypatch.setenv("DATABRICKS_API_BASE", "https://w.cloud/serving-endpoints")
    url, headers = where("databricks/dbrx")
    assert (url, headers["authorization"]) == ("https://w.cloud/serving-endpoints/chat/completions", "Bearer dapi-1")
    monkeypatch.delenv("DATABRICKS_API_BASE")
    monkeypatch.setenv("DATABRICKS_HOST", "w2.cloud")
    assert where("databricks/dbrx")[0] == "https://w2.cloud/serving-endpoints/chat/completions"


def test_databricks_signs_in_with_its_sdk_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Config:
        host = "https://profile.cloud"

        def authenticate(self) -> dict[str, str]:
            return {"Authorization": "Bearer oauth"}

    core = types.ModuleType("databricks.sdk.core")
    core.Config = Config  # type: ignore[attr-defined]
    for name, module in {"databricks": types.ModuleType("databricks"), "databricks.sdk": types.ModuleType("databricks.sdk")}.items():
        module.__spec__ = object()  # type: ignore[assignment]
        module.__path__ = []
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "databricks.sdk.core", core)
    url, headers = where("databricks/dbrx")
    assert (url, headers["authorization"]) == ("https://profile.cloud/serving-endpoints/chat/completions", "Bearer oauth")


# -- vertex, ollama ----------------------------------------------------------------


def test_vertex() -> None:
    given = {"vertex_project": "p", "vertex_location": "europe-west4", "api_key": lambda: "ya29"}
    url, headers = where("vertex_ai/gemini-2.5-pro", "/models/gemini-2.5-pro:generateContent", **given)
    root = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"
    assert url == f"{root}/publishers/google/models/gemini-2.5-pro:generateContent"
    assert headers["authorization"] == "Bearer ya29"
    assert where("vertex_ai/claude-x", "/models/claude-x:rawPredict", **given)[0].startswith(f"{root}/publishers/anthropic/")
    assert where("vertex_ai/meta/llama", **given)[0] == f"{root}/endpoints/openapi/chat/completions"
    given["vertex_location"] = "global"
    assert where("vertex_ai/gemini-x", "", **given)[0].startswith("https://aiplatform.googleapis.com/v1/projects/p/locations/global")
    with pytest.raises(LMNotConfiguredError, match="vertex_project"):
        where("vertex_ai/gemini-x", api_key="k")
    with pytest.raises(LMNotConfiguredError, match="VERTEX_AI_ACCESS_TOKEN"):
        where("vertex_ai/gemini-x", vertex_project="p")


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("box:1234", "http://box:1234"),
        ("http://box:1/v1", "http://box:1"),
        ("", "http://localhost:11434"),
    ],
)
def test_ollama_hosts(host: str, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert site("ollama_chat/llama3.2").base() == base


# -- bedrock ----------------------------------------------------------------


def test_signatures_are_those_of_the_published_suite() -> None:
    # "post-vanilla-query" of Amazon's test suite for signature version 4.
    keys = AwsKeys(access="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    headers = signed_headers(
        keys, "POST", "https://example.amazonaws.com/?Param1=value1", {}, b"", region="us-east-1", service="service",
        now=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )  # fmt: skip
    assert headers["authorization"].endswith("Signature=28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11")
    assert "wJalr" not in repr(keys) and "AKID" not in repr(keys)


def test_bedrock_signs_with_keys_from_arguments_environment_and_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = "bedrock/amazon.nova-lite-v1:0"
    path = "/model/amazon.nova-lite-v1%3A0/converse"
    given = {"aws_access_key_id": "AK1", "aws_secret_access_key": "s", "aws_session_token": "t", "aws_region_name": "eu-north-1"}
    url, headers = where(model, path, **given)
    assert url == f"https://bedrock-runtime.eu-north-1.amazonaws.com{path}"
    assert "Credential=AK1/" in headers["authorization"] and "/eu-north-1/bedrock/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "t"
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = AK2\naws_secret_access_key = s\n", encoding="utf-8")
    (tmp_path / "config").write_text("[profile work]\nregion = ap-south-1\n", encoding="utf-8")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert "Credential=AK2/" in where(model, path)[1]["authorization"] and "ap-south-1" in where(model, path)[0]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK3")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert "Credential=AK3/" in where(model, path)[1]["authorization"]
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bearer-1")
    assert where(model, path)[1]["authorization"] == "Bearer bearer-1"


def test_bedrock_without_credentials_says_what_would_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(LMNotConfiguredError, match="AWS_ACCESS_KEY_ID"):
        where("bedrock/amazon.nova-lite-v1:0")


# -- the long tail ----------------------------------------------------------------


def test_the_long_tail_needs_its_extra_and_nothing_else_does() -> None:
    if find_spec("litellm") is not None:
        pytest.skip("it is installed")
    lm = LM("litellm/watsonx/any", cache=False)
    with pytest.raises(MissingExtraError, match=r"whet\[litellm\]"):
        lm("Hi")
    assert "litellm" not in sys.modules


# -- access ----------------------------------------------------------------


def test_access_shows_nothing_and_refuses_what_cannot_work() -> None:
    access = access_of({"api_key": "sk-canary-1", "headers": {"X": "canary-2"}, "aws_secret_access_key": "canary-3"})
    assert "canary" not in repr(access) and "canary" not in str(access.given())
    assert isinstance(access.given()["headers"]["x"], Secret)
    for wrong in ({"timeout": 0}, {"deadline": "soon"}, {"api_base": 3}, {"api_key": 3}, {"headers": {"a": 1}}):
        with pytest.raises(LMConfigurationError):
            access_of(wrong)


def test_all_known_providers_have_an_address_or_a_variable_for_one() -> None:
    for provider in providers().values():
        assert provider.base_url or provider.base_env, provider.name


@pytest.mark.parametrize("wrong", ["http://127.0.0.1:99999/v1", "http://127.0.0.1:abc/v1", "http://[::1/v1", "http://x\r\nHost: evil/v1"])
def test_an_address_that_is_none_is_said_before_any_call(wrong: str) -> None:
    with pytest.raises(LMConfigurationError, match="api_base"):
        LM("openai/m", api_base=wrong, api_key="k")


def test_a_query_of_the_address_stays_behind_the_path() -> None:
    with StubServer("openai", "fine") as stub:
        lm = LM("openai/m", api_base=f"{stub.api_base}/?tenant=a&sig=secret-canary#part", api_key="k", cache=False, num_retries=0)
        assert lm("Hi") == ["fine"]
        assert stub.received[0].path == "/v1/chat/completions?tenant=a&sig=secret-canary"
        assert "canary" not in lm.identity()
