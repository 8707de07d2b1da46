"""Azure OpenAI: a deployment in the URL, and a key or an Entra ID (AD) token."""

from __future__ import annotations

from collections.abc import Mapping

from whet.lm.site.plain import PlainSite, sent_headers
from whet.lm.wire.auth import auth_headers

__all__ = ["AzureSite"]

# The newest version that is generally available for deployments in the URL; the newer `/openai/v1` needs none.
API_VERSION = "2024-10-21"


class AzureSite(PlainSite):
    """`api_base` is the resource (`https://NAME.openai.azure.com`), or ends in `/openai/v1`, or names the deployment itself."""

    def address(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Mapping[str, str]]:
        """The URL and all headers. An AD token, given or in `AZURE_AD_TOKEN`, goes before a key from the environment."""
        return self._url(self.base(), path), {**headers, **self._credentials(), **sent_headers(self.access)}

    def _url(self, base: str, path: str) -> str:
        version = self.access.text("api_version", "AZURE_API_VERSION", "OPENAI_API_VERSION")
        if base.endswith("/openai/v1"):
            return base + path + (f"?api-version={version}" if version else "")
        if path == "/responses":
            return f"{base}/openai/v1/responses" + (f"?api-version={version}" if version else "")
        if "/deployments/" not in base:
            base = f"{base}/openai/deployments/{self.facts.name}"
        return f"{base}{path}?api-version={version or API_VERSION}"

    def _credentials(self) -> dict[str, str]:
        access = self.access
        if access.api_key is None:
            token = access.text("azure_ad_token_provider") or access.text("azure_ad_token", "AZURE_AD_TOKEN")
            if token:
                return {"authorization": f"Bearer {token}"}
        return auth_headers(self.provider.auth, self.key)
