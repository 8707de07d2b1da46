"""Databricks serving endpoints: a personal access token, or the sign-in of the Databricks SDK where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from threading import Lock
from typing import Any

from whet.errors import LMNotConfiguredError
from whet.lm.facts import ModelFacts, Provider
from whet.lm.site.access import Access, from_environment, joined
from whet.lm.site.plain import PlainSite, sent_headers

__all__ = ["DatabricksSite"]

PATH = "/serving-endpoints"


class DatabricksSite(PlainSite):
    """The workspace comes from `api_base`, `DATABRICKS_API_BASE` or `DATABRICKS_HOST`; without key and host, from the SDK's profile."""

    def __init__(self, provider: Provider, facts: ModelFacts, access: Access) -> None:
        super().__init__(provider, facts, access)
        self._lock = Lock()
        self._config: Any = None

    def base(self) -> str:
        """The base URL of the workspace's endpoints."""
        given = self.access.api_base or from_environment(self.provider.base_env)
        if not given and (host := from_environment(("DATABRICKS_HOST",)) or self._host_of_sdk()):
            given = host.rstrip("/") + PATH if "://" in host else f"https://{host.rstrip('/')}{PATH}"
        return (given or self._no_base()).rstrip("/")

    def address(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Mapping[str, str]]:
        """The URL and all headers."""
        key = self.access.api_key.reveal() if self.access.api_key is not None else from_environment(self.provider.key_env)
        if key:
            signed: Mapping[str, str] = {"authorization": f"Bearer {key}"}
        elif self._has_sdk():
            signed = {name.lower(): value for name, value in self._signed_in().items()}
        else:
            raise self._no_token("install `databricks-sdk` to sign in with its profile.")
        return joined(self.base(), path), {**headers, **signed, **sent_headers(self.access)}

    def signs_in(self) -> bool:
        """Whether the SDK will be asked."""
        return self.access.api_key is None and not from_environment(self.provider.key_env) and self._has_sdk()

    def _host_of_sdk(self) -> str | None:
        try:
            return self._sdk().host if self._has_sdk() else None
        except ValueError as error:
            raise self._no_token(f"sign in for `databricks-sdk`, which says: {error}") from error

    def _has_sdk(self) -> bool:
        return find_spec("databricks") is not None and find_spec("databricks.sdk") is not None

    def _signed_in(self) -> dict[str, str]:
        """The headers that sign a request."""
        try:
            headers: dict[str, str] = self._sdk().authenticate()
        except ValueError as error:
            raise self._no_token(f"sign in for `databricks-sdk`, which says: {error}") from error
        return headers

    def _sdk(self) -> Any:
        with self._lock:
            if self._config is None:
                from databricks.sdk.core import Config  # noqa: PLC0415 - optional package

                self._config = Config()
            return self._config

    def _no_token(self, advice: str) -> LMNotConfiguredError:
        return LMNotConfiguredError(
            f"No Databricks token found. Set {' or '.join(f'`{n}`' for n in self.provider.key_env)}, pass `api_key=`, or {advice}",
            model=self.facts.full_name,
            provider=self.provider.name,
        )
