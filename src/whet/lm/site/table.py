"""Which kind of place a provider's models live at; each is imported when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from whet.core.flow import Flow, Invoke
from whet.core.secret import Headers
from whet.lm.facts import ModelFacts, Provider
from whet.lm.site.access import Access
from whet.lm.site.plain import PlainSite

__all__ = ["Site", "address_of", "addressed", "site_of"]


class Site(Protocol):
    """Where requests go."""

    def base(self) -> str:
        """The base URL."""

    def address(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Mapping[str, str]]:
        """The URL and all headers for a request to this path with this body."""

    def signs_in(self) -> bool:
        """Whether the next `address` asks a vendor's package for a credential, which may take its time."""


def addressed(site: Site, path: str, headers: Mapping[str, str], body: bytes) -> Flow[tuple[str, Headers]]:
    """The URL and all headers for a request. Where a vendor's package signs in first, it does so off the event loop."""
    if site.signs_in():
        found: tuple[str, Headers] = yield Invoke(address_of, (site, path, headers, body))
        return found
    return address_of(site, path, headers, body)


def address_of(site: Site, path: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Headers]:
    """The same at once, for a site that needs nobody's help."""
    url, given = site.address(path, headers, body)
    return url, given if isinstance(given, Headers) else Headers(given)


def site_of(provider: Provider, facts: ModelFacts, access: Access) -> Site:
    """The place of a provider's model."""
    if "azure" in provider.quirks:
        from whet.lm.site.azure import AzureSite  # noqa: PLC0415 - a program needs one or two places

        return AzureSite(provider, facts, access)
    if "databricks" in provider.quirks:
        from whet.lm.site.databricks import DatabricksSite  # noqa: PLC0415 - a program needs one or two places

        return DatabricksSite(provider, facts, access)
    if "vertex" in provider.quirks:
        from whet.lm.site.vertex import VertexSite  # noqa: PLC0415 - a program needs one or two places

        return VertexSite(provider, facts, access)
    if provider.wire in ("bedrock", "sagemaker"):
        from whet.lm.site.aws import BedrockSite, SageMakerSite  # noqa: PLC0415 - a program needs one or two places

        return (BedrockSite if provider.wire == "bedrock" else SageMakerSite)(provider, facts, access)
    if provider.wire == "ollama":
        from whet.lm.site.ollama import OllamaSite  # noqa: PLC0415 - a program needs one or two places

        return OllamaSite(provider, facts, access)
    return PlainSite(provider, facts, access)
