"""Prices newer than those inside the package: read from a file that `whet prices` writes, never fetched by a call."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from whet.core.flow import Send, drive
from whet.core.http import HttpRequest, HttpResponse
from whet.errors import ConfigurationError, LMUnexpectedError, MissingExtraError

__all__ = ["PACKAGE", "SOURCE", "newer_price", "prices_file", "refresh_prices"]

# The public table of the genai-prices project (MIT).
SOURCE: Final = "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/data.json"
# The same table in the package of that name.
PACKAGE: Final = "genai-prices"
NAMES: Final = {
    "aws": "bedrock", "fireworks": "fireworks_ai", "google": "gemini", "moonshotai": "moonshot", "together": "together_ai", "x-ai": "xai",
}  # fmt: skip
COLUMNS: Final = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")


def prices_file() -> Path:
    """Where refreshed prices are kept: `prices.json` in `$WHET_HOME`, by default `~/.whet`."""
    return Path(os.environ.get("WHET_HOME") or "~/.whet").expanduser() / "prices.json"


def newer_price(provider: str, name: str) -> list[float | None] | None:
    """US dollars per million tokens of input, output, cached input and cache writes, where a refreshed file knows this model."""
    return _table(str(prices_file())).get(provider, {}).get(name)  # type: ignore[no-any-return]


@lru_cache(maxsize=4)
def _table(path: str) -> Mapping[str, Any]:
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        models: Mapping[str, Any] = data["models"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"The price table {path!r} cannot be read ({error}). Run `whet prices` again, or delete it.") from error
    return models


def refresh_prices(source: str = SOURCE) -> tuple[Path, int]:
    """Read a price table in the form of genai-prices from a URL or a file and keep it; the file, and how many models it prices.

    `"genai-prices"` is the table inside the package of that name, which pip fetches where a URL cannot be reached. What kept prices were
    worth before stays where this fails.

    Raises:
        LMUnexpectedError: the table has another form.
        MissingExtraError: `"genai-prices"` is not installed.
    """
    models = _read(source)
    count = sum(map(len, models.values()))
    if not count:
        raise LMUnexpectedError(f"{source!r} holds no prices that whet can read, so nothing was changed.")
    path = prices_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = json.dumps({"as_of": datetime.now(UTC).date().isoformat(), "source": source, "models": models})
    waiting = path.with_suffix(".new")
    waiting.write_text(text, encoding="utf-8")
    waiting.replace(path)
    _table.cache_clear()
    return path, count


def _read(source: str) -> dict[str, dict[str, list[float | None]]]:
    try:
        rows = _packaged() if source == PACKAGE else json.loads(_text(source))
        return {NAMES.get(row["id"], row["id"]): _prices(row["models"]) for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LMUnexpectedError(f"{source!r} is no price table in the form of genai-prices: {error!r}.") from error


def _packaged() -> list[Any]:
    """The table of the installed package, in the form of the published one."""
    try:
        from genai_prices.data import providers  # noqa: PLC0415 - optional package
    except ImportError:
        raise MissingExtraError("`whet prices genai-prices`", "genai-prices", "prices") from None
    return [{"id": provider.id, "models": [{"id": m.id, "prices": m.prices} for m in provider.models]} for provider in providers]


def _text(source: str) -> str:
    if "://" not in source:
        return Path(source).read_text(encoding="utf-8")
    answer: HttpResponse = drive(_fetched(source))
    if answer.status != 200:
        raise LMUnexpectedError(f"{source!r} answered HTTP {answer.status}.", status=answer.status)
    return answer.body.decode("utf-8")


def _fetched(url: str) -> Any:
    return (yield Send(HttpRequest(url=url, method="GET", timeout=60.0)))


def _prices(models: list[Any]) -> dict[str, list[float | None]]:
    found = {}
    for model in models:
        prices = model.get("prices")
        if isinstance(prices, list):
            prices = _in_force(prices, datetime.now(UTC).date())
        numbers = [_number(_item(prices, column)) for column in COLUMNS]
        if numbers[0] is not None and numbers[1] is not None:
            found[str(model["id"]).lower()] = numbers
    return found


def _in_force(prices: list[Any], today: date) -> Any:
    """Of prices from certain dates on, the last that has begun. Those for some hours of the day are not counted with."""
    found = None
    for row in prices:
        limit = _item(row, "constraint")
        begins = _item(limit, "start_date")
        if limit is None or (begins is not None and str(begins) <= today.isoformat()):
            found = _item(row, "prices")
    return found


def _item(thing: Any, name: str) -> Any:
    """An item of a JSON object, or an attribute of the package's own kind of it."""
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def _number(value: Any) -> float | None:
    tiers = _item(value, "base")  # by length of the prompt: the first
    value = value if tiers is None else tiers
    return float(value) if isinstance(value, int | float | str | Decimal) and str(value) else None
