"""Prices are refreshed by a command: from a file or a server, kept below `$WHET_HOME`, and never by a call."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from whet.cli import main
from whet.errors import LMUnexpectedError, MissingExtraError
from whet.lm.facts import facts_of
from whet.lm.prices import newer_price, refresh_prices

TABLE = [
    {"id": "openai", "models": [{"id": "gpt-4o-mini", "prices": {"input_mtok": 0.07, "output_mtok": {"base": 0.3, "tiers": []}}}]},
    {"id": "google", "models": [{"id": "gemini-9", "prices": [{"prices": {"input_mtok": 1, "output_mtok": 2, "cache_read_mtok": 0.1}}]}]},
]


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WHET_HOME", str(tmp_path / "home"))
    facts_of.cache_clear()


def test_a_table_is_read_kept_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = facts_of("openai/gpt-4o-mini").price
    assert before is not None and before.input == 0.15
    (tmp_path / "table.json").write_text(json.dumps(TABLE), encoding="utf-8")
    assert main(["prices", str(tmp_path / "table.json")]) == 0
    assert "2 models priced" in capsys.readouterr().out
    facts_of.cache_clear()
    price = facts_of("openai/gpt-4o-mini").price
    assert price is not None and (price.input, price.output) == (0.07, 0.3)
    other = facts_of("gemini/gemini-9").price
    assert other is not None and other.cached_input == 0.1


@pytest.mark.parametrize("text", ["[]", "{}", "nonsense", '[{"id": "openai"}]'])
def test_what_is_no_table_changes_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps(TABLE), encoding="utf-8")
    refresh_prices(str(tmp_path / "good.json"))
    (tmp_path / "bad.json").write_text(text, encoding="utf-8")
    with pytest.raises(LMUnexpectedError):
        refresh_prices(str(tmp_path / "bad.json"))
    assert newer_price("openai", "gpt-4o-mini") is not None


def test_the_price_in_force_today_counts(tmp_path: Path) -> None:
    def row(price: float, **constraint: str) -> dict[str, Any]:
        return {"prices": {"input_mtok": price, "output_mtok": price}, **({"constraint": constraint} if constraint else {})}

    prices = [
        row(9),
        row(2, start_date="2020-01-01"),
        row(1, start_date="2999-01-01"),
        row(5, start_time="00:30:00Z", end_time="16:30:00Z"),
    ]
    (tmp_path / "table.json").write_text(json.dumps([{"id": "openai", "models": [{"id": "o-9", "prices": prices}]}]), encoding="utf-8")
    refresh_prices(str(tmp_path / "table.json"))
    assert newer_price("openai", "o-9") == [2.0, 2.0, None, None]


def test_the_package_is_a_source_where_it_is_installed() -> None:
    if find_spec("genai_prices") is None:
        with pytest.raises(MissingExtraError, match=r"whet\[prices\]"):
            refresh_prices("genai-prices")
        return
    _, count = refresh_prices("genai-prices")
    price = newer_price("openai", "gpt-4o-mini")
    assert count > 500 and price is not None and price[:2] == [0.15, 0.6]
    assert newer_price("anthropic", "claude-sonnet-4-5") is not None


def test_what_the_package_ships_is_dated() -> None:
    price = facts_of("openai/gpt-4o").price
    old = facts_of("openai/gpt-4o-audio").price
    assert price is not None and old is not None
    assert "2025-11-20" == old.as_of < price.as_of
