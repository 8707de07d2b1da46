"""What went wrong on the way, said in one sentence that names `host:port` and what to check. Never a header, a query or a body."""

from __future__ import annotations

import os

from whet.errors import LMTimeoutError, LMTransportError, LMUnexpectedError

__all__ = ["CERTIFICATE", "broken", "early_end", "garbage", "no_connection", "no_time", "refused_tunnel", "too_large"]

# The code of an error that no second try mends.
CERTIFICATE = "certificate_not_accepted"


def no_connection(error: OSError, where: str) -> LMTransportError | LMTimeoutError:
    """The connection could not be opened."""
    verify = getattr(error, "verify_message", "")
    if isinstance(error, ConnectionRefusedError):
        text = f"Nothing listens at {where}: is the server running, and is the port right?"
    elif isinstance(error, TimeoutError):
        return LMTimeoutError(f"No connection to {where} in time: is the host up, and does a firewall or a missing proxy stand between?")
    elif type(error).__name__ == "gaierror":
        text = f"The host name of {where} could not be resolved ({error.strerror}): check its spelling and the network."
    elif verify:
        return LMTransportError(
            f"The certificate of {where} was not accepted ({verify}): {_advice_on_certificates()}.", provider_code=CERTIFICATE
        )
    elif hasattr(error, "library"):
        text = f"TLS with {where} failed ({getattr(error, 'reason', '')}): does it speak https at all? Try http:// for a local server."
    else:
        text = f"No connection to {where}: {_reason(error)}."
    return LMTransportError(text)


def _advice_on_certificates() -> str:
    named = os.environ.get("SSL_CERT_FILE")
    if named and not os.path.isfile(named):
        return f"SSL_CERT_FILE names {named!r}, and there is no such file"
    return "check the host name and the clock, or name your authority's file in SSL_CERT_FILE"


def broken(error: OSError, where: str) -> LMTransportError:
    """The connection broke in the middle."""
    return LMTransportError(f"The connection to {where} broke before the answer was complete: {_reason(error)}. Did the server restart?")


def early_end(where: str, *, started: bool) -> LMTransportError:
    """The other side closed the connection too early."""
    when = "in the middle of its answer" if started else "without answering"
    return LMTransportError(f"{where} closed the connection {when}. Did the server crash or restart, or a proxy give up?")


def no_time(where: str, seconds: float | None) -> LMTimeoutError:
    """The deadline of the exchange passed."""
    # What is left of a deadline is an odd number: 1.99974 s.
    limit = f" within {round(seconds, 2) or seconds:g} s" if seconds is not None else " in time"
    return LMTimeoutError(f"No complete answer from {where}{limit}: raise the timeout, ask for fewer tokens, or check the server's load.")


def garbage(where: str, what: str) -> LMTransportError:
    """What came back is no HTTP/1.1."""
    return LMTransportError(f"{where} sent no proper HTTP answer: {what}. Is it the right port, and http or https as it should be?")


def too_large(where: str, what: str, limit: int) -> LMUnexpectedError:
    """An answer beyond the limits. Not retryable: it would be as large again."""
    return LMUnexpectedError(f"{where} sent {what} of more than {limit:,} bytes, the limit. Is this the endpoint you meant?")


def refused_tunnel(where: str, status: int) -> LMTransportError:
    """The proxy would not connect us."""
    hint = "check the user and password in HTTPS_PROXY" if status == 407 else "check HTTPS_PROXY and NO_PROXY"
    return LMTransportError(f"The proxy would not connect to {where}: it answered {status}; {hint}.")


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
