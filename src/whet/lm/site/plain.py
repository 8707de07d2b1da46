"""A server at a base URL with a key in a header: OpenAI, Anthropic, Gemini, Ollama and everything that speaks like them."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping

from whet.core.secret import Secret
from whet.errors import LMNotConfiguredError
from whet.lm.facts import ModelFacts, Provider, providers
from whet.lm.site.access import Access, from_environment, joined
from whet.lm.wire.auth import auth_headers

__all__ = ["PlainSite", "sent_headers"]

# The root holds the version; it is loaded before any of its parts.
USER_AGENT = {"user-agent": f"whet/{sys.modules['whet'].__version__}"}


class PlainSite:
    """Address and headers of each call; key and base are looked up when they are needed."""

    def __init__(self, provider: Provider, facts: ModelFacts, access: Access) -> None:
        self.provider, self.facts, self.access = provider, facts, access
        self.key = access.api_key or self._key_from_environment()

    def base(self) -> str:
        """The base URL. Raises `LMNotConfiguredError` where none is known."""
        given = self.access.api_base or from_environment(self.provider.base_env)
        return (given or self.provider.base_url or self._no_base()).rstrip("/")

    def signs_in(self) -> bool:
        """Whether the next `address` asks a vendor's package for a credential, which may take its time."""
        return False

    def address(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Mapping[str, str]]:
        """The URL and all headers for a request to this path."""
        return joined(self.base(), path), {**headers, **auth_headers(self.provider.auth, self.key), **sent_headers(self.access)}

    def _key_from_environment(self) -> Secret | None:
        names = self.provider.key_env
        if not names:
            return None
        return Secret(lambda: from_environment(names) or "") if self.provider.key_optional else Secret.env(*names)

    def _no_base(self) -> str:
        provider = self.provider
        text = f"The address of `{self.facts.full_name}` is not known."
        if not provider.known:
            near = difflib.get_close_matches(provider.name, providers(), n=1, cutoff=0.7)
            text = f"There is no provider `{provider.name}` that whet knows" + (f"; did you mean `{near[0]}`?" if near else ".")
            text += " For an OpenAI-compatible server of your own:"
        names = " or ".join(f"`{name}`" for name in provider.base_env)
        raise LMNotConfiguredError(f"{text} Pass `api_base=` or set {names}.", model=self.facts.full_name, provider=provider.name)


def sent_headers(access: Access) -> Mapping[str, str]:
    """Who is asking, and the user's own headers, which win."""
    if not access.headers:
        return USER_AGENT
    return {**USER_AGENT, **{name: value.reveal() for name, value in access.headers.items()}}
