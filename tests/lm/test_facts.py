"""Names, providers, prices and abilities: what the seeds and the behaviours say about them."""

from __future__ import annotations

import re

import pytest

from whet.core.exchange import Capabilities, Usage
from whet.errors import LMConfigurationError
from whet.lm.facts import Price, _table, facts_of, is_reasoning_name, provider_of, providers, split_name

WIRES = {"openai", "anthropic", "gemini", "ollama", "bedrock", "sagemaker", "litellm"}
STYLES = {"bearer", "x-api-key", "api-key", "x-goog-api-key", "none"}


@pytest.mark.parametrize(
    "name",
    "openai anthropic gemini azure databricks ollama_chat together_ai anyscale groq openrouter mistral deepseek xai fireworks_ai bedrock "
    "sagemaker vertex_ai hosted_vllm".split(),
)
def test_every_provider_of_the_seeds_is_known(name: str) -> None:
    provider = provider_of(name)
    assert provider.known
    assert provider.wire in WIRES
    assert provider.auth in STYLES
    needs_base = name in ("azure", "databricks", "bedrock", "sagemaker", "vertex_ai", "hosted_vllm")
    assert (provider.base_url is None) == needs_base
    if name not in ("gemini", "azure", "ollama_chat", "bedrock", "sagemaker", "vertex_ai"):
        assert provider.key_env[0] == f"{name.upper()}_API_KEY"


def test_the_table_is_sound() -> None:
    table = _table()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", table["as_of"])
    for provider in providers().values():
        assert provider.wire in WIRES
        assert provider.auth in STYLES
        assert provider.base_url is None or re.match(r"https://|http://localhost:\d+", provider.base_url)
        assert not (provider.base_url or "").endswith("/")
    for family, models in table["models"].items():
        for name, row in models.items():
            assert name == name.lower(), name
            assert set(row) <= {"usd", "can", "context", "output", "as_of", "same_as"}, name
            facts = facts_of(f"{family}/{name}")
            assert facts.price is not None, name
            assert facts.price.as_of
            assert 0 <= facts.price.input <= facts.price.output or facts.price.output == 0, name


@pytest.mark.parametrize(
    ("model", "dollars_in"),
    [
        ("gpt-4o-mini", 0.15),
        ("openai/gpt-4o-mini-2024-07-18", 0.15),
        ("openai/gpt-4o-2024-05-13", 5),
        ("azure/gpt-4o", 2.5),
        ("openai/gpt-5-mini-2025-08-07", 0.25),
        ("anthropic/claude-3-opus-20240229", 15),
        ("anthropic/claude-3-5-sonnet-latest", 3),
        ("anthropic/claude-opus-4-5-20251101", 5),
        ("anthropic/claude-opus-4-20250514", 15),
        ("bedrock/us.anthropic.claude-3-haiku-20240307-v1:0", 0.25),
        ("bedrock/amazon.nova-lite-v1:0", 0.06),
        ("openrouter/anthropic/claude-3.5-sonnet", 3),
        ("openrouter/google/gemini-2.5-pro", 1.25),
        ("vertex_ai/gemini-2.5-flash-preview-05-20", 0.3),
        ("gemini/gemini-2.0-flash-001", 0.1),
        ("together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo", 0.88),
        ("databricks/databricks-meta-llama-3-1-70b-instruct", 1),
        ("openai/meta-llama/Llama-3.1-8B-Instruct", None),
        ("ollama_chat/llama3.2", None),
        ("openai/gpt-4o-mini-of-my-own", None),
        ("nobody/gpt-4o", None),
    ],
)
def test_prices(model: str, dollars_in: float | None) -> None:
    price = facts_of(model).price
    assert (price.input if price else None) == dollars_in


def test_reasoning_models_by_name() -> None:
    yes = "o1 o1-mini o3 o3-mini-2025-01-31 o4-mini o5 o1-pro o3-nano gpt-5 gpt-5-mini gpt-5-2025-08-07 gpt-5.1 gpt-5-nano openai/o3"
    no = "gpt-4o gpt-5-chat gpt-5-chat-latest o2 o1x gpt-4 foo1 openai/o3x-mini olmo-1 anthropic/claude-3-opus-20240229 mistral/o-large"
    assert all(map(is_reasoning_name, yes.split()))
    assert not [name for name in no.split() if is_reasoning_name(name)]
    assert facts_of("azure/gpt-5-mini").limit_option == "max_completion_tokens"
    assert "temperature" not in facts_of("openai/o3").capabilities.params
    assert facts_of("openai/gpt-4o").limit_option == "max_tokens"


def test_abilities() -> None:
    able = facts_of("openai/gpt-4o-mini").capabilities
    assert (able.json_schema, able.tools, able.vision, able.native_n, able.reasoning) == (True, True, True, True, False)
    assert {"temperature", "tools", "response_format"} <= able.params
    unknown = facts_of("nobody/knows").capabilities
    assert unknown == Capabilities()
    assert facts_of("anthropic/claude-3-opus-20240229").capabilities.max_output_tokens == 4096
    assert facts_of("hosted_vllm/whatever").capabilities.json_schema


def test_what_the_user_says_wins() -> None:
    facts = facts_of("openai/gpt-4o", Price(input=1.0, output=1.0), Capabilities(tools=True, context_window=5))
    assert (facts.price, facts.capabilities) == (Price(input=1.0, output=1.0), Capabilities(tools=True, context_window=5))
    assert facts_of("openai/gpt-4o").price != facts.price


def test_cost() -> None:
    price = Price(input=3.0, output=15.0, cached_input=0.3, cache_write=3.75)
    usage = Usage(input_tokens=1_000, output_tokens=100, cached_input_tokens=600, cache_write_tokens=300)
    assert price.cost(usage) == pytest.approx((100 * 3 + 100 * 15 + 600 * 0.3 + 300 * 3.75) / 1e6)
    assert Price(input=3.0, output=15.0).cost(usage) == pytest.approx((1000 * 3 + 100 * 15) / 1e6)


def test_names() -> None:
    assert split_name("gpt-4o-mini") == ("openai", "gpt-4o-mini")
    assert split_name("together_ai/meta-llama/Llama-3") == ("together_ai", "meta-llama/Llama-3")
    with pytest.raises(LMConfigurationError, match="provider/name"):
        facts_of("/")


def test_an_unknown_provider_is_an_openai_compatible_server() -> None:
    provider = provider_of("my-lab")
    assert (provider.known, provider.wire, provider.base_env, provider.key_env) == (
        False, "openai", ("MY_LAB_API_BASE", "MY_LAB_BASE_URL"), ("MY_LAB_API_KEY",),
    )  # fmt: skip


def test_an_unknown_name_costs_one_look_up() -> None:
    known = facts_of("local/never-seen")
    looked = facts_of.cache_info().misses
    assert facts_of("local/never-seen") is known
    assert facts_of.cache_info().misses == looked
