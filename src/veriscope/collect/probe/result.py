"""What a probe found: one frozen value for each probe, also where there was no answer."""

from dataclasses import dataclass, field
from enum import StrEnum


class FailureReason(StrEnum):
    """Why a probe failed, by the first thing that went wrong."""

    DNS = "dns"
    """The host's name has no address (of the wanted IP version)."""
    REFUSED = "refused"
    """The host answers, nothing listens on the port."""
    UNREACHABLE = "unreachable"
    """No way to the host."""
    TLS = "tls"
    """The handshake failed: protocol, certificate or name."""
    TIMEOUT = "timeout"
    """The whole probe took longer than it may; `error` names the phase."""
    RESET = "reset"
    """The connection ended before the response did."""
    PROTOCOL = "protocol"
    """What came back is not HTTP/1."""
    REDIRECTS = "redirects"
    """More redirects than allowed, or one that leads nowhere."""
    STATUS = "status"
    """An answer with a status that is not expected."""
    TOO_LARGE = "too_large"
    """The body is larger than `max_body_bytes`."""
    BODY = "body"
    """The body fails a check."""
    INTERNAL = "internal"
    """The probe itself could not be carried out; `error` says why."""


@dataclass(frozen=True, slots=True)
class Phases:
    """
    Seconds spent in each phase, summed over redirects; 0 for a phase that was not reached.

    The phases are blackbox_exporter's. `processing_s` runs from the last byte of the request to
    the end of the response's head; `transfer_s` from there to the last byte of the body.
    """

    resolve_s: float = 0.0
    connect_s: float = 0.0
    tls_s: float = 0.0
    processing_s: float = 0.0
    transfer_s: float = 0.0

    def by_name(self) -> dict[str, float]:
        """Return the phases under blackbox_exporter's names."""
        return {
            "resolve": self.resolve_s,
            "connect": self.connect_s,
            "tls": self.tls_s,
            "processing": self.processing_s,
            "transfer": self.transfer_s,
        }


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The last attempt of one probe; what was not reached keeps its default."""

    url: str
    """The URL asked for, without credentials."""
    method: str
    time_ms: int
    """When the last attempt started, Unix milliseconds."""
    success: bool
    duration_s: float
    """The last attempt alone, redirects included."""
    reason: FailureReason | None = None
    """None after a success."""
    error: str = ""
    """What a person reads of the failure; holds no credentials."""
    status_code: int = 0
    """0 where no response came."""
    http_version: str = ""
    """As `1.1`."""
    phases: Phases = field(default_factory=Phases)
    request_bytes: int = 0
    """Head and body as written to the socket, of the last request of a chain of redirects."""
    header_bytes: int = 0
    """The response's head, status line and blank line included."""
    body_bytes: int = 0
    """The response's body as read, without the framing of chunks."""
    content_length: int = -1
    """The `Content-Length` that the response declares; -1 where it declares none."""
    redirects: int = 0
    """Redirects that were followed."""
    final_url: str = ""
    """Where the redirects led, without credentials."""
    retries: int = 0
    """Attempts before this one, which all failed."""
    remote_address: str = ""
    ip_protocol: int = 0
    """4 or 6; 0 without a connection."""
    tls_version: str = ""
    """As `TLSv1.3`; empty without TLS."""
    tls_expiry_s: float = 0.0
    """
    When the first certificate expires, Unix seconds; 0 without TLS.

    The earliest of the verified chain on Python 3.13 and later, and the server's own on earlier
    ones or without verification.
    """
    body: bytes = field(default=b"", repr=False)
    """The body, where the target says `keep_body`."""
