"""The TLS settings of a client: the default trust store (SSL_CERT_FILE and SSL_CERT_DIR count), host names checked, HTTP/1.1 only."""

from __future__ import annotations

import ssl

__all__ = ["client_context"]


def client_context() -> ssl.SSLContext:
    """A new context; making one costs some 20 ms, so a pool makes one."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
