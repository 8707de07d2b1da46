"""Google Vertex AI: project and location in the URL, and a short-lived access token."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from threading import Lock
from typing import Any, Final

from whet.core.secret import Secret
from whet.errors import LMNotConfiguredError
from whet.lm.facts import ModelFacts, Provider
from whet.lm.site.access import Access
from whet.lm.site.plain import PlainSite, sent_headers

__all__ = ["VertexSite", "publisher_of"]

SCOPE: Final = ("https://www.googleapis.com/auth/cloud-platform",)
TOKENS: Final = ("VERTEX_AI_ACCESS_TOKEN", "VERTEXAI_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN", "VERTEX_AI_API_KEY")


def publisher_of(name: str) -> str:
    """Who publishes a model, which decides its format: `google`, `anthropic`, or another behind Vertex's OpenAI-compatible door.

    >>> publisher_of("gemini-2.5-pro"), publisher_of("claude-sonnet-4-5@20250929"), publisher_of("meta/llama-3.3-70b-instruct-maas")
    ('google', 'anthropic', 'openapi')
    """
    if name.startswith("claude"):
        return "anthropic"
    return "openapi" if "/" in name else "google"


class VertexSite(PlainSite):
    """The token is `api_key` (best a function that gives a fresh one), else one of the usual variables, else `google-auth`'s default."""

    def __init__(self, provider: Provider, facts: ModelFacts, access: Access) -> None:
        super().__init__(provider, facts, access)
        self._lock = Lock()
        self._default: Any = None

    def base(self) -> str:
        """The URL up to the publisher's models."""
        if self.access.api_base:
            return self.access.api_base
        project = self.access.text("vertex_project", "VERTEXAI_PROJECT", "VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT")
        place = self.access.text("vertex_location", "VERTEXAI_LOCATION", "VERTEX_LOCATION", "GOOGLE_CLOUD_LOCATION") or "us-central1"
        if not project:
            raise LMNotConfiguredError(
                "Vertex AI needs a project. Pass `vertex_project=` or set `GOOGLE_CLOUD_PROJECT` (and `vertex_location=` or "
                "`GOOGLE_CLOUD_LOCATION` for another place than us-central1).",
                model=self.facts.full_name,
                provider=self.provider.name,
            )
        host = "aiplatform.googleapis.com" if place == "global" else f"{place}-aiplatform.googleapis.com"
        root = f"https://{host}/v1/projects/{project}/locations/{place}"
        publisher = publisher_of(self.facts.name)
        return f"{root}/endpoints/openapi" if publisher == "openapi" else f"{root}/publishers/{publisher}"

    def address(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Mapping[str, str]]:
        """The URL and all headers."""
        return self.base() + path, {**headers, "authorization": f"Bearer {self._token()}", **sent_headers(self.access)}

    def _token(self) -> str:
        key = self.access.api_key
        token = key.reveal() if isinstance(key, Secret) else self.access.text("vertex_credentials", *TOKENS)
        if token:
            return token
        if find_spec("google") is None or find_spec("google.auth") is None:
            raise LMNotConfiguredError(
                f"No access token for Vertex AI found. Pass `api_key=` (a token, or a function that returns one), set `{TOKENS[0]}`, or "
                "install `google-auth` to use the default credentials.",
                model=self.facts.full_name,
                provider=self.provider.name,
            )
        return self._default_token()

    def _default_token(self) -> str:
        import google.auth  # type: ignore[import-not-found]  # noqa: PLC0415 - optional package
        import google.auth.transport.requests as carrier  # type: ignore[import-not-found]  # noqa: PLC0415 - optional package

        with self._lock:
            if self._default is None:
                self._default, _ = google.auth.default(scopes=list(SCOPE))
            if not self._default.valid:
                self._default.refresh(carrier.Request())
            return str(self._default.token)
