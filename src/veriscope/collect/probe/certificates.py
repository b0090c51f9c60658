"""
When certificates expire, read from the certificates themselves.

`ssl` decodes a certificate only where it was verified. A probe that is told not to verify
still wants to know the date, so the two times are read from the DER here (RFC 5280, 4.1).
"""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

_UTC_TIME: Final = 0x17
_VERSION: Final = 0xA0
_LONG_FORM: Final = 0x80
_FIELDS_BEFORE_VALIDITY: Final = 3
"""Serial number, signature algorithm, issuer; a version comes before them in all but v1."""


def earliest_expiry_s(tls: ssl.SSLObject) -> float:
    """
    Return when the first certificate of the connection expires, Unix seconds; 0 if unknown.

    The whole verified chain counts on Python 3.13 and later, else the server's own alone.
    """
    chain = getattr(tls, "get_verified_chain", None)
    leaf = tls.getpeercert(binary_form=True)
    certificates = chain() if chain and tls.context.verify_mode else [leaf] if leaf else []
    return min((expiry_s(certificate) for certificate in certificates), default=0.0)


def expiry_s(certificate: bytes) -> float:
    """Return the end of validity of a DER *certificate*, Unix seconds; 0 if it is malformed."""
    try:
        body = next(_elements(next(_elements(certificate))[1]))[1]
        fields = list(_elements(body))
        first = 1 if fields[0][0] == _VERSION else 0
        _, validity = fields[first + _FIELDS_BEFORE_VALIDITY]
        _, (kind, text) = _elements(validity)
        return _time_s(kind, text.decode("ascii"))
    except (IndexError, ValueError, StopIteration):
        return 0.0


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each DER element in *data*."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & _LONG_FORM:
            width = length & ~_LONG_FORM
            length, at = int.from_bytes(data[at : at + width]), at + width
        yield tag, data[at : at + length]
        at += length


def _time_s(kind: int, text: str) -> float:
    """Read UTCTime, whose years from 50 on are of the last century, or GeneralizedTime."""
    if kind == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
