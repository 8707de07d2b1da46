"""Which providers could be asked with what the environment says, for `whet doctor`. No request is made and no key is shown."""

from __future__ import annotations

import os
from dataclasses import dataclass

from whet.lm.facts import providers

__all__ = ["ProviderStatus", "check_providers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """One provider: the variables that its key may be in, and the one of them that is set."""

    name: str
    key_env: tuple[str, ...]
    found: str
    key_optional: bool

    @property
    def ready(self) -> bool:
        """Whether a request would have a key, or needs none."""
        return bool(self.found) or self.key_optional


def check_providers() -> list[ProviderStatus]:
    """Every provider that is known by name, those with a key first."""
    statuses = [
        ProviderStatus(
            name=provider.name,
            key_env=provider.key_env,
            found=next((name for name in provider.key_env if os.environ.get(name)), ""),
            key_optional=provider.key_optional,
        )
        for provider in providers().values()
    ]
    return sorted(statuses, key=lambda status: (not status.found, not status.key_optional, status.name))
