"""What is publicly known about models and providers, as dated data: prices, abilities, addresses, key variables.

Nothing here is fetched; what you pass to an LM (`price=`, `capabilities=`) wins over the table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from whet.core.exchange import Capabilities, Usage
from whet.errors import LMConfigurationError
from whet.lm.prices import newer_price

__all__ = ["ModelFacts", "Price", "Provider", "facts_of", "is_reasoning_name", "provider_of", "providers", "split_name"]

PARAMS = frozenset(
    "temperature top_p max_tokens stop seed n frequency_penalty presence_penalty logprobs top_logprobs tools tool_choice response_format "
    "parallel_tool_calls user".split()
)
REASONING = re.compile(r"(?:.*/)?(?:o[1345](?:-(?:mini|nano|pro))?(?:-\d{4}-\d{2}-\d{2})?|gpt-5(?!-chat).*)", re.IGNORECASE)
DATED = re.compile(r"[-@:](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4}|\d{3}|latest|preview|exp|beta|v\d+(?::\d+)?|\d{2}-\d{2}).*$|-v\d+:\d+$")
FLAGS = {
    "s": "json_schema", "j": "json_mode", "t": "tools", "r": "reasoning", "l": "logprobs", "c": "citations", "v": "vision", "a": "audio",
    "n": "native_n",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars per million tokens. `cached_input` and `cache_write` cost what `input` costs where they are `None`; `as_of` is the date of
    the price list.

    >>> Price(input=2.5, output=10.0, cached_input=1.25).cost(Usage(input_tokens=1_000_000, cached_input_tokens=1_000_000))
    1.25
    """

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    as_of: str = ""

    def cost(self, usage: Usage) -> float:
        """What a call with this usage costs, in US dollars."""
        given, cached, written = usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens
        total = (given - cached - written) * self.input + usage.output_tokens * self.output
        if cached:
            total += cached * (self.input if self.cached_input is None else self.cached_input)
        if written:
            total += written * (self.input if self.cache_write is None else self.cache_write)
        return total / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where a provider lives and how it wants to be talked to.

    `wire` names the format (`openai`, `anthropic`, `gemini`, `ollama`, `bedrock`, `sagemaker`, `litellm`), `auth` the style of
    the key's header.
    `key_optional` providers answer without a key. `base_env` and `key_env` are tried in order.
    """

    name: str
    base_url: str | None = None
    wire: str = "openai"
    auth: str = "bearer"
    key_env: tuple[str, ...] = ()
    base_env: tuple[str, ...] = ()
    key_optional: bool = False
    known: bool = True
    quirks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What one model is called, can do and costs. `name` is what goes over the wire, `full_name` what the user wrote.

    `reasoning` models of OpenAI take `max_completion_tokens` and no temperature; `limit_option` is the name of the token limit.
    """

    name: str
    full_name: str
    provider: str
    capabilities: Capabilities = field(default_factory=Capabilities)
    price: Price | None = None
    reasoning: bool = False
    limit_option: str = "max_tokens"
    quirks: frozenset[str] = frozenset()


def split_name(model: str) -> tuple[str, str]:
    """Provider and the provider's own name of a model; without a prefix it is OpenAI's.

    >>> split_name("together_ai/meta-llama/Llama-3.3-70B"), split_name("gpt-4o-mini")
    (('together_ai', 'meta-llama/Llama-3.3-70B'), ('openai', 'gpt-4o-mini'))
    """
    provider, slash, name = model.partition("/")
    return (provider, name) if slash and name else ("openai", model.rstrip("/"))


def is_reasoning_name(model: str) -> bool:
    """Whether this is one of OpenAI's reasoning models, by its name and with any prefix.

    >>> [is_reasoning_name(m) for m in ("openai/o3-mini", "gpt-5-nano", "azure/gpt-5-chat", "gpt-4o")]
    [True, True, False, False]
    """
    return REASONING.fullmatch(model) is not None


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = json.loads(files("whet.lm").joinpath("facts.json").read_text(encoding="utf-8"))
    return table


@lru_cache(maxsize=1)
def providers() -> Mapping[str, Provider]:
    """Every provider that whet knows by name."""
    made = {}
    for name, row in _table()["providers"].items():
        lists = {key: tuple(row[key]) for key in ("key_env", "base_env") if key in row}
        plain = {key: row[key] for key in ("base_url", "wire", "auth", "key_optional") if key in row}
        merged: dict[str, Any] = {**_variables(name), **plain, **lists}
        made[name] = Provider(name=name, quirks=frozenset(row.get("quirks", ())), **merged)
    return made


def _variables(name: str) -> dict[str, tuple[str, ...]]:
    upper = re.sub(r"\W", "_", name).upper()
    return {"key_env": (f"{upper}_API_KEY",), "base_env": (f"{upper}_API_BASE", f"{upper}_BASE_URL")}


@lru_cache(maxsize=1024)
def provider_of(name: str) -> Provider:
    """The provider of that name; one that is not known counts as an OpenAI-compatible server at its `{NAME}_API_BASE`.

    >>> provider_of("my-lab").base_env
    ('MY_LAB_API_BASE', 'MY_LAB_BASE_URL')
    """
    if known := providers().get(name):
        return known
    variables = _variables(name)
    return Provider(name=name, key_optional=True, known=False, key_env=variables["key_env"], base_env=variables["base_env"])


@lru_cache(maxsize=4096)
def facts_of(model: str, price: Price | None = None, capabilities: Capabilities | None = None) -> ModelFacts:
    """What is known about a model, `price` and `capabilities` replaced by yours where given. Unknown names cost one look-up, once.

    >>> facts_of("openai/gpt-4o-mini-2024-07-18").price.input, facts_of("nobody/knows-it").price
    (0.15, None)
    """
    provider, name = split_name(model)
    if not name:
        raise LMConfigurationError(f"{model!r} is no model name. Write `provider/name`, such as `openai/gpt-4o-mini`.")
    row = _row(provider, name)
    known = provider_of(provider)
    reasoning = is_reasoning_name(model)
    facts = ModelFacts(
        name=name,
        full_name=model,
        provider=provider,
        capabilities=_capabilities(row, reasoning) if row is not None else _unknown(known),
        price=_newer_price(provider, name) or (_price(row) if row is not None else None),
        reasoning=reasoning,
        limit_option="max_completion_tokens" if reasoning else "max_tokens",
        quirks=known.quirks,
    )
    if price is not None:
        facts = replace(facts, price=price)
    return facts if capabilities is None else replace(facts, capabilities=capabilities)


def _unknown(provider: Provider) -> Capabilities:
    """A model that is not in the table: of a local server the usual is assumed where the provider's row says so."""
    usual = _table()["providers"].get(provider.name, {}).get("usual", "")
    return Capabilities(**{FLAGS[c]: True for c in usual}, params=PARAMS if usual else frozenset())


def _row(provider: str, name: str) -> Mapping[str, Any] | None:
    """The row of a model: exact, then without a date, then by the longest known beginning that ends where a word ends."""
    table = _table()
    family = table["providers"].get(provider, {}).get("models_of", provider)
    for maker, known_as in _candidates(family, name):
        row = _find(table["models"].get(maker, {}), known_as.replace(".", "-") if maker == "anthropic" else known_as)
        if row is not None:
            found: Mapping[str, Any] = row
            return found
    return None


def _candidates(family: str, name: str) -> list[tuple[str, str]]:
    """Gateways serve models of others: `openrouter/openai/gpt-4o` is priced as OpenAI's, `bedrock/anthropic.claude-...` as Anthropic's."""
    name = name.lower()
    found = [(family, name)]
    if family in ("gateway", "bedrock"):
        plain = re.sub(r"^(?:converse/|invoke/)?(?:(?:us|eu|apac|global)\.)?", "", name)
        maker, dot, rest = plain.partition("/" if "/" in plain else ".")
        if dot:
            found.append(({"google": "gemini", "x-ai": "xai", "mistralai": "mistral"}.get(maker, maker), rest))
    return found


def _find(models: Mapping[str, Any], name: str) -> Any:
    row = models.get(name) or models.get(DATED.sub("", name))
    if row is None:
        beginnings = [known for known in models if name.startswith(known) and DATED.match(name[len(known) :])]
        row = models.get(max(beginnings, key=len)) if beginnings else None
    return models.get(row["same_as"]) if row is not None and "same_as" in row else row


def _newer_price(provider: str, name: str) -> Price | None:
    """From the file that `whet prices` writes, where there is one."""
    numbers = newer_price(provider, name.lower())
    if numbers is None or numbers[0] is None or numbers[1] is None:
        return None
    return Price(input=numbers[0], output=numbers[1], cached_input=numbers[2], cache_write=numbers[3], as_of="refreshed")


def _price(row: Mapping[str, Any]) -> Price | None:
    numbers = row.get("usd")
    if numbers is None:
        return None
    given, made, cached, written = [*numbers, None, None][:4]
    return Price(input=given, output=made, cached_input=cached, cache_write=written, as_of=row.get("as_of", _table()["as_of"]))


def _capabilities(row: Mapping[str, Any], reasoning: bool) -> Capabilities:
    abilities = {FLAGS[c]: True for c in row.get("can", "")}
    params = set(PARAMS)
    if reasoning:
        params = (params - {"temperature", "top_p", "stop", "logprobs", "top_logprobs", "frequency_penalty", "presence_penalty"}) | {
            "max_completion_tokens"
        }
    if abilities.get("reasoning"):
        params.add("reasoning_effort")
    if not abilities.get("tools"):
        params -= {"tools", "tool_choice", "parallel_tool_calls"}
    if not (abilities.get("json_schema") or abilities.get("json_mode")):
        params.discard("response_format")
    return Capabilities(**abilities, context_window=row.get("context"), max_output_tokens=row.get("output"), params=frozenset(params))
