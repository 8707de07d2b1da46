"""Google Vertex AI: project and location in the URL, and a short-lived access token."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from threading import Lock
from typing import Any, Final, NamedTuple

from whet.core.http import HttpRequest, send
from whet.core.secret import Headers, Secret
from whet.errors import LMError, LMNotConfiguredError
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
            raise self._no_token("install `google-auth` to use the default credentials.")
        return self._default_token()

    def _no_token(self, advice: str) -> LMNotConfiguredError:
        return LMNotConfiguredError(
            f"No access token for Vertex AI found. Pass `api_key=` (a token, or a function that gives one), set `{TOKENS[0]}`, or {advice}",
            model=self.facts.full_name,
            provider=self.provider.name,
        )

    def _default_token(self) -> str:
        import google.auth  # noqa: PLC0415 - optional package

        with self._lock:
            try:
                if self._default is None:
                    self._default, _ = google.auth.default(scopes=list(SCOPE), request=_carried)
                if not self._default.valid:
                    self._default.refresh(_carried)
            except google.auth.exceptions.GoogleAuthError as error:
                raise self._no_token(
                    "sign in for `google-auth` (`gcloud auth application-default login`, or a key file named in "
                    f"`GOOGLE_APPLICATION_CREDENTIALS`), which says: {error}"
                ) from error
            return str(self._default.token)

    def signs_in(self) -> bool:
        """Whether `google-auth` will be asked, and must get a new token."""
        given = self.access.api_key is not None or self.access.text("vertex_credentials", *TOKENS)
        return not given and not (self._default is not None and self._default.valid)


class _Answer(NamedTuple):
    """An answer in the form of `google.auth.transport.Response`."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _carried(
    url: str, method: str = "GET", body: bytes | str | None = None, headers: Mapping[str, str] | None = None, timeout: Any = None, **_: Any
) -> _Answer:
    """What `google-auth` wants a transport to be (`google.auth.transport.Request`), over our own connections."""
    from google.auth.exceptions import TransportError  # noqa: PLC0415 - optional package

    raw = body.encode() if isinstance(body, str) else body or b""
    wait = float(timeout) if isinstance(timeout, int | float) else 60.0
    try:
        answer = send(HttpRequest(url=url, method=method, headers=Headers(headers or {}), body=raw, timeout=wait))
    except LMError as error:
        raise TransportError(error) from error
    return _Answer(answer.status, answer.headers, answer.body)
