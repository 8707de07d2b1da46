"""Which optional packages are here, for `whet doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

__all__ = ["EXTRAS", "ExtraStatus", "check_extras"]

# What each extra of pyproject.toml brings; a test holds the two together.
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "bedrock": ("boto3",),
    "datasets": ("datasets",),
    "jiter": ("jiter",),
    "litellm": ("litellm",),
    "mcp": ("mcp",),
    "optuna": ("optuna",),
    "otel": ("opentelemetry-api",),
    "pandas": ("pandas",),
    "prices": ("genai-prices",),
    "ray": ("ray",),
    "retrieval": ("bm25s", "numpy", "model2vec", "usearch"),
    "serve": ("starlette", "uvicorn"),
    "train": ("torch", "transformers", "trl", "peft", "datasets"),
    "wasm": ("wasmtime",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraStatus:
    """One extra: the versions of its packages that are installed, and those that are missing."""

    name: str
    installed: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def check_extras() -> list[ExtraStatus]:
    """Every extra, by name. Nothing is imported."""
    return [_status(name, packages) for name, packages in EXTRAS.items()]


def _status(name: str, packages: tuple[str, ...]) -> ExtraStatus:
    installed: dict[str, str] = {}
    for package in packages:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return ExtraStatus(name=name, installed=installed, missing=tuple(p for p in packages if p not in installed))
