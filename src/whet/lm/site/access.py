"""What a user says about reaching a model's server, apart from what is asked: address, credentials, headers, time limits."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit

from whet.core.http.route import shown
from whet.core.secret import Secret
from whet.core.wording import a_kind
from whet.errors import LMConfigurationError

__all__ = ["ACCESS", "Access", "access_of", "from_environment", "joined", "place_of"]

SECRETS: Final = frozenset(
    {"azure_ad_token", "azure_ad_token_provider", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "vertex_credentials"}
)
PLAIN: Final = frozenset("api_version organization aws_region_name aws_profile_name vertex_project vertex_location".split())
ACCESS: Final = SECRETS | PLAIN | {"api_key", "api_base", "base_url", "headers", "extra_headers", "timeout", "deadline", "max_concurrency"}


# Names in the query of an address that say who asks, and not what.
WHO: Final = re.compile(r"key|token|secret|sig|code|pass|auth|cred", re.IGNORECASE)


class Address(str):
    """A URL that is shown without its query, where some servers want a key.

    >>> Address("https://host/v1?key=secret")
    'https://host/v1'
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(shown(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach a server. Nothing in it shows a credential.

    `timeout` bounds one exchange, `deadline` a whole call with its retries, both in seconds; `max_concurrency` the calls under way.
    `more` holds what only some places need, such as `api_version` or `aws_region_name`.
    """

    api_key: Secret | None = None
    api_base: str | None = None
    headers: Mapping[str, Secret] = field(default_factory=dict)
    timeout: float | None = 600.0
    deadline: float | None = None
    max_concurrency: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def given(self) -> dict[str, Any]:
        """The keyword arguments that describe this access again, secrets still hidden."""
        own = {name: getattr(self, name) for name in ("api_key", "api_base", "headers", "timeout", "deadline", "max_concurrency")}
        return {**own, **self.more}

    def text(self, name: str, *variables: str) -> str | None:
        """One of `more` as text, else the first of these environment variables that is set."""
        value = self.more.get(name)
        if isinstance(value, Secret):
            return value.reveal() or from_environment(variables)
        return value or from_environment(variables)


def access_of(given: Mapping[str, Any]) -> Access:
    """The access that these keyword arguments describe. Raises `LMConfigurationError` for one that cannot work; no secret is shown."""
    headers = {**(given.get("headers") or {}), **(given.get("extra_headers") or {})}
    if not all(isinstance(name, str) and isinstance(value, str | Secret) for name, value in headers.items()):
        raise LMConfigurationError(f"`headers` must map names to strings; look at {', '.join(map(repr, headers))} (values not shown).")
    for name in ("timeout", "deadline"):
        value = given.get(name)
        if value is not None and not (isinstance(value, int | float) and value > 0):
            raise LMConfigurationError(f"`{name}` is a number of seconds above 0, or None for no limit; got {value!r}.")
    most = given.get("max_concurrency")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise LMConfigurationError(f"`max_concurrency` is a number of calls, at least 1, or None for no bound; got {most!r}.")
    base = given.get("api_base") or given.get("base_url")
    if base is not None and not isinstance(base, str):
        raise LMConfigurationError(f"`api_base` is a URL such as 'http://localhost:8000/v1'; got {base!r}.")
    place_of(base or "")
    return Access(
        api_key=_secret(given.get("api_key")),
        api_base=Address(base.rstrip("/")) if base else None,
        headers={name.lower(): value if isinstance(value, Secret) else Secret(value) for name, value in headers.items()},
        timeout=given.get("timeout", 600.0),
        deadline=given.get("deadline"),
        max_concurrency=given.get("max_concurrency"),
        more={name: _secret(value) if name in SECRETS else value for name, value in given.items() if name in SECRETS | PLAIN},
    )


def place_of(api_base: str) -> str:
    """Host, port and path of an address, and a digest of its query: what tells servers apart, without a user, a key or a token. Raises
    `LMConfigurationError` for what is no address.

    >>> place_of("https://me:pw@host:81/v1?key=secret"), place_of("https://host/v1?key=secret&deployment=a")
    ('host:81/v1', 'host:/v1?35fcb3c9')
    """
    try:
        parts = urlsplit(api_base)
        told = sorted(pair for pair in parts.query.split("&") if pair and not WHO.search(pair.partition("=")[0]))
        more = "?" + blake2b("&".join(told).encode(), digest_size=4).hexdigest() if told else ""
        return f"{parts.hostname}:{parts.port or ''}{parts.path}{more}"
    except ValueError as error:
        raise LMConfigurationError(f"`api_base` {shown(api_base)!r} is no URL such as 'http://localhost:8000/v1': {error}.") from None


def joined(base: str, path: str) -> str:
    """A path below a base URL. A query of the base comes behind it, a fragment goes.

    >>> print(joined("http://host/v1?tenant=a#x", "/chat/completions"), joined("http://host?k=1", "/stream?alt=sse"))
    http://host/v1/chat/completions?tenant=a http://host/stream?alt=sse&k=1
    """
    head, _, query = base.partition("#")[0].partition("?")
    url = head.rstrip("/") + path
    return Address(f"{url}{'&' if '?' in path else '?'}{query}") if query else url


def _secret(value: Any) -> Secret | None:
    if value is None or isinstance(value, Secret):
        return value
    if isinstance(value, str) or callable(value):
        return Secret(value)
    raise LMConfigurationError(f"A credential is a string or a function that returns one, not {a_kind(value)}.")


def from_environment(names: tuple[str, ...]) -> str | None:
    """The first of these environment variables that is set and not empty."""
    return next((value for name in names if (value := os.environ.get(name))), None)
