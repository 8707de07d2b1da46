"""An Ollama server: its address may come without scheme or with the `/v1` of its OpenAI-compatible door."""

from __future__ import annotations

from whet.lm.site.plain import PlainSite

__all__ = ["OllamaSite"]


class OllamaSite(PlainSite):
    """`OLLAMA_HOST` is often `127.0.0.1:11434` or even `0.0.0.0`, which says where the server listens."""

    def base(self) -> str:
        """The base URL of the native API."""
        base = super().base().removesuffix("/v1").removesuffix("/api")
        if "://" not in base:
            base = f"http://{base}" if ":" in base else f"http://{base}:11434"
        return base.replace("://0.0.0.0", "://127.0.0.1")
