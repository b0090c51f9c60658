import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.collect.probe import FailureReason, HttpProbe, ProbeResult, ProbeTarget
from veriscope.collect.probe.certificates import expiry_s
from veriscope.signals import SystemClock

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def probe(url: str, **options: Any) -> ProbeResult:
    """Probe *url* once."""
    return await HttpProbe(SystemClock()).run(ProbeTarget(url, **options))


async def test_tls_is_measured(start: Any, certificate: Any) -> None:
    """The handshake has its phase, and version and expiry are told."""
    server = await start(OK, tls=certificate.server_context())
    url = server.url(scheme="https", host="localhost")
    result = await probe(url, ca_file=str(certificate.cert))
    assert result.success, result.error
    assert result.tls_version == "TLSv1.3"
    assert result.tls_expiry_s == certificate.expiry_s()
    assert result.phases.tls_s > 0
    assert result.phases.connect_s > 0


async def test_expiry_is_known_without_verification(start: Any, certificate: Any) -> None:
    """Who does not verify still learns the date."""
    server = await start(OK, tls=certificate.server_context())
    result = await probe(server.url(scheme="https"), verify_tls=False)
    assert result.success
    assert result.tls_expiry_s == certificate.expiry_s()


async def test_a_stranger_s_certificate_is_refused(start: Any, certificate: Any) -> None:
    """Self-signed and not named as an authority: no request is sent."""
    server = await start(OK, tls=certificate.server_context())
    result = await probe(server.url(scheme="https"))
    assert result.reason is FailureReason.TLS
    assert result.error == "the certificate is refused: self-signed certificate"
    assert server.requests == []


async def test_a_certificate_must_bear_the_name(start: Any, make_certificate: Any) -> None:
    """Another name is refused, unless it is the one asked for."""
    other = make_certificate(name="other.example")
    server = await start(OK, tls=other.server_context())
    url = server.url(scheme="https", host="localhost")
    assert (await probe(url, ca_file=str(other.cert))).reason is FailureReason.TLS
    named = await probe(url, ca_file=str(other.cert), server_name="other.example")
    assert named.success, named.error


async def test_plain_text_where_tls_was_asked_is_a_tls_failure(start: Any) -> None:
    """A server that speaks no TLS."""

    async def plain(_request: bytes, _writer: Any) -> None:
        """Say nothing."""

    server = await start(plain)
    result = await probe(server.url(scheme="https"), timeout_s=0.3)
    assert result.reason in (FailureReason.TLS, FailureReason.TIMEOUT)
    assert result.phases.tls_s > 0


async def test_a_missing_authority_file_is_told(start: Any) -> None:
    """A probe that cannot be carried out is a result too."""
    result = await probe((await start(OK)).url(scheme="https"), ca_file="missing.pem")
    assert result.reason is FailureReason.INTERNAL
    assert "missing.pem" in result.error


async def test_a_renewed_authority_file_is_read_again(
    start: Any, make_certificate: Any, tmp_path: Any
) -> None:
    """No restart is needed when authorities change."""
    old, new = make_certificate(), make_certificate()
    server = await start(OK, tls=new.server_context())
    authorities = tmp_path / "ca.pem"
    authorities.write_bytes(old.cert.read_bytes())
    target = ProbeTarget(server.url(scheme="https", host="localhost"), ca_file=str(authorities))
    shared = HttpProbe(SystemClock())
    assert (await shared.run(target)).reason is FailureReason.TLS
    authorities.write_bytes(new.cert.read_bytes())
    assert (await shared.run(target)).success


def element(tag: int, content: bytes) -> bytes:
    """Return a DER element with a length in the long form."""
    return bytes([tag, 0x82]) + len(content).to_bytes(2) + content


@pytest.mark.parametrize("version", [b"", element(0xA0, b"\x02\x01\x02")], ids=["v1", "v3"])
@given(moment=st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(9999, 12, 31)))  # noqa: DTZ001 - made aware below
def test_both_forms_of_time_are_read(version: bytes, moment: dt.datetime) -> None:
    """Years to 2049 have two digits, later ones four (RFC 5280, 4.1.2.5)."""
    moment = moment.replace(microsecond=0, tzinfo=dt.UTC)
    if moment.year < 2050:
        time = element(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    else:
        time = element(0x18, f"{moment.year:04}{moment:%m%d%H%M%S}Z".encode())
    validity = element(0x30, time + time)
    body = element(0x30, version + element(2, b"\1") + element(0x30, b"") * 2 + validity)
    assert expiry_s(element(0x30, body)) == moment.timestamp()


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """What is not a certificate has no date."""
    assert isinstance(expiry_s(data), float)
