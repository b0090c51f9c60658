"""SMTP: one message to one mail server, encrypted and logged in as it offers."""

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final

from veriscope.alert.notify.http import TlsConfig
from veriscope.alert.notify.http.deadline import cut_off_after
from veriscope.alert.notify.http.pool import tls_context
from veriscope.alert.notify.outcome import Outcome, Reason
from veriscope.alert.notify.sending import Secrets

_SMTPS_PORT: Final = 465
_TIMEOUT_S: Final = 20.0
_LONGEST_S: Final = 60.0
_READY: Final = 220
_FIRST_PERMANENT: Final = 500
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Which server, and how to trust it."""

    smarthost: str
    hello: str
    require_tls: bool
    tls: TlsConfig


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """Who sends."""

    user: str
    password: str
    secret: str
    identity: str

    @property
    def plain(self) -> str:
        """What `PLAIN` sends (RFC 4616)."""
        return f"{self.identity}\0{self.user}\0{self.password}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in its envelope."""

    message: EmailMessage
    sender: str
    recipients: tuple[str, ...]


class _UnusableError(Exception):
    """The server and the configuration do not fit; another try would end the same way."""


def deliver(server: SmtpServer, login: Login | None, letter: Letter, secrets: Secrets) -> Outcome:
    """Send *letter* once; what the server refuses with 5xx is refused for good."""
    try:
        with _open(server) as connection, cut_off_after(_LONGEST_S, lambda: connection.sock):
            _greet(connection, server)
            if login is not None:
                _log_in(connection, login, server)
            connection.send_message(letter.message, letter.sender, letter.recipients)
    except (OSError, smtplib.SMTPException, UnicodeError, _UnusableError) as error:
        return _outcome_of(error, secrets)
    return Outcome.delivered()


def _outcome_of(error: Exception, secrets: Secrets) -> Outcome:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        error = smtplib.SMTPResponseException(*next(iter(error.recipients.values())))
    if isinstance(error, smtplib.SMTPResponseException):
        return _refused(error.smtp_code, error.smtp_error, secrets)
    if isinstance(error, _UnusableError):
        return Outcome.failed(Reason.CLIENT_ERROR, str(error))
    said = secrets.hide(f"{type(error).__name__}: {error}")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Outcome.failed(Reason.CLIENT_ERROR, said)
    if isinstance(error, TimeoutError | smtplib.SMTPServerDisconnected):
        return Outcome.retry(Reason.DEADLINE_EXCEEDED, said)
    return Outcome.retry(Reason.OTHER, said)


def host_and_port(smarthost: str) -> tuple[str, int]:
    """Return host and port of *smarthost*; raises `ValueError`."""
    host, _, port = smarthost.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("smarthost must be host:port, such as mail.example.org:587")
    return host.strip("[]"), int(port)


def _open(server: SmtpServer) -> smtplib.SMTP:
    """Return what will speak to *server*; nothing is connected yet."""
    name = server.hello or "localhost"
    host, port = host_and_port(server.smarthost)
    if port != _SMTPS_PORT:
        return smtplib.SMTP(local_hostname=name, timeout=_TIMEOUT_S)
    context = tls_context(server.tls)
    return _Encrypted(name, context, server.tls.server_name or host)


def _greet(connection: smtplib.SMTP, server: SmtpServer) -> None:
    """Connect; encrypted from the start at port 465, else by STARTTLS if that is due."""
    host, port = host_and_port(server.smarthost)
    code, said = connection.connect(host, port)
    if code != _READY:
        raise smtplib.SMTPConnectError(code, said)
    connection.ehlo_or_helo_if_needed()
    if server.require_tls and port != _SMTPS_PORT:
        # The name that STARTTLS checks; smtplib has no other way to give it.
        connection._host = server.tls.server_name or host  # type: ignore[attr-defined]  # noqa: SLF001
        connection.starttls(context=tls_context(server.tls))
        connection.ehlo()


class _Encrypted(smtplib.SMTP_SSL):
    """A connection in TLS whose certificate must have the name *checked*."""

    def __init__(self, name: str, context: ssl.SSLContext, checked: str) -> None:
        self._checked = checked
        super().__init__(local_hostname=name, timeout=_TIMEOUT_S, context=context)

    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        plain = smtplib.SMTP._get_socket(self, host, port, timeout)  # type: ignore[attr-defined]  # noqa: SLF001
        return self.context.wrap_socket(plain, server_hostname=self._checked)


def _log_in(connection: smtplib.SMTP, login: Login, server: SmtpServer) -> None:
    """
    Log in by the first way that the server offers and the configuration can go.

    As Alertmanager: nothing is done where the server knows no login; `CRAM-MD5` needs the secret;
    `PLAIN` shows the password to nobody but an encrypted or a local server.
    """
    connection.ehlo_or_helo_if_needed()
    offered = connection.esmtp_features.get("auth", "").upper().split()
    if not offered:
        return
    is_private = isinstance(connection.sock, ssl.SSLSocket) or (
        host_and_port(server.smarthost)[0] in _LOCAL
    )
    connection.user, connection.password = login.user, login.secret
    for way in offered:
        if way == "CRAM-MD5" and login.secret:
            connection.auth(way, connection.auth_cram_md5)
            return
        if way == "PLAIN" and login.password and is_private:
            connection.auth(way, lambda _challenge=None: login.plain)
            return
        if way == "LOGIN" and login.password:
            connection.password = login.password
            connection.auth(way, connection.auth_login)
            return
    raise _UnusableError(
        f"no way to log in: the server offers {', '.join(offered)}; PLAIN and LOGIN need "
        "auth_password (PLAIN also TLS), CRAM-MD5 needs auth_secret"
    )


def _refused(code: int, text: bytes | str, secrets: Secrets) -> Outcome:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    detail = secrets.hide(f"SMTP {code}: {said}")
    if code >= _FIRST_PERMANENT:
        return Outcome.failed(Reason.CLIENT_ERROR, detail)
    return Outcome.retry(Reason.SERVER_ERROR, detail)
