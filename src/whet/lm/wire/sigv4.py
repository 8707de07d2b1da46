"""AWS Signature Version 4 for one request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

__all__ = ["AwsKeys", "signed_headers"]

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys:
    """An access key; shown to nobody."""

    access: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def signed_headers(  # noqa: PLR0913 - a signature covers all of these
    keys: AwsKeys, method: str, url: str, headers: Mapping[str, str], body: bytes, *, region: str, service: str, now: datetime | None = None
) -> dict[str, str]:
    """The headers, with date, token and signature added. The URL's path must be percent-encoded already; `now` is for tests."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    parts = urlsplit(url)
    sent = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    sent["x-amz-date"] = moment
    if keys.token:
        sent["x-amz-security-token"] = keys.token
    covered = {**sent, "host": parts.netloc}
    names = ";".join(sorted(covered))
    canonical = "\n".join(
        [
            method,
            # Every service but S3 wants the encoded path encoded once more.
            quote(parts.path or "/", safe="/-_.~"),
            "&".join(sorted(parts.query.split("&"))) if parts.query else "",
            *[f"{name}:{covered[name]}" for name in sorted(covered)],
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for word in (moment[:8], region, service, "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    authorization = f"{ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**sent, "authorization": authorization}
