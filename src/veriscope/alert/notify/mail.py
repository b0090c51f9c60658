"""Email: one message for each group, over SMTP with STARTTLS and a login."""

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid
from hashlib import sha256
from html import escape
from typing import Final

import msgspec

from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.http import TlsConfig, secret_of
from veriscope.alert.notify.outcome import Outcome, Reason
from veriscope.alert.notify.template import Template, body_text, subject
from veriscope.signals import Clock, Secret

_SMTPS_PORT: Final = 465
_TIMEOUT_S: Final = 20.0
_FIRST_PERMANENT: Final = 500


class EmailConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `email_configs`. What is not given is taken from `global.smtp_…`."""

    to: str
    """Addresses, separated by commas."""
    send_resolved: bool = False
    """Whether to send the end of alerts too."""
    from_: str = msgspec.field(default="", name="from")
    """The sender's address."""
    smarthost: str = ""
    """`host:port` of the mail server; port 465 is spoken to in TLS from the start."""
    hello: str = ""
    """Name of this machine in SMTP's greeting."""
    auth_username: str = ""
    """Login; none where it is not given."""
    auth_password: Secret | None = None
    """Its password."""
    auth_password_file: str | None = None
    """File that holds the password, read for each message."""
    require_tls: bool | None = None
    """Whether to send nothing unless the connection is encrypted; true where not given."""
    tls_config: TlsConfig | None = None
    """How to trust the mail server."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    """Further headers, or other ones for `Subject` and `To`; each a template."""
    text: str = ""
    """Plain text, a template; all alerts with their annotations where it is not given."""
    html: str = ""
    """HTML, a template; the plain text as it stands where it is not given."""

    def __post_init__(self) -> None:
        if not any(address for _, address in getaddresses([self.to])):
            raise ValueError("to holds no address")


class EmailNotifier:
    """Sends a group as one message; the parts of a *config* must be complete."""

    integration = "email"

    def __init__(self, config: EmailConfig, clock: Clock) -> None:
        self.send_resolved = config.send_resolved
        self._config = config
        self._clock = clock
        self._text = Template(config.text)
        self._html = Template(config.html)
        self._headers = {name: Template(text) for name, text in config.headers.items()}

    def notify(self, group: AlertGroup) -> Outcome:
        """Send *group* once; only what the server refuses for good is not tried again."""
        message = self.message(group)
        try:
            password = secret_of(self._config.auth_password, self._config.auth_password_file)
            with self._connect() as server:
                if self._config.auth_username:
                    server.login(self._config.auth_username, password or "")
                server.send_message(message)
        except smtplib.SMTPResponseException as error:
            return _refused(error.smtp_code, error.smtp_error)
        except smtplib.SMTPRecipientsRefused as error:
            return _refused(*next(iter(error.recipients.values())))
        except (TimeoutError, smtplib.SMTPServerDisconnected) as error:
            return Outcome.retry(Reason.DEADLINE_EXCEEDED, f"{type(error).__name__}: {error}")
        except smtplib.SMTPNotSupportedError as error:
            return Outcome.failed(Reason.SERVER_ERROR, str(error))
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            return Outcome.retry(Reason.OTHER, f"{type(error).__name__}: {error}")
        return Outcome.delivered()

    def message(self, group: AlertGroup) -> EmailMessage:
        """Return the message that is sent for *group*."""
        config = self._config
        headers = {
            "From": config.from_,
            "To": config.to,
            "Subject": subject(group),
            **{name: template.fill(group) for name, template in self._headers.items()},
            "Date": formatdate(self._clock.now_ms() / 1000),
            "Message-ID": make_msgid(domain="veriscope.invalid"),
            # Mail readers show what concerns one group as one conversation.
            "References": f"<{sha256(group.key.encode()).hexdigest()[:32]}@veriscope.invalid>",
        }
        message = EmailMessage()
        for name, text in headers.items():
            message[name] = " ".join(text.split())
        text = self._text.fill(group) or body_text(group)
        message.set_content(text)
        html = self._html.fill(group) or f"<pre>{escape(text)}</pre>"
        message.add_alternative(html, subtype="html")
        return message

    def _connect(self) -> smtplib.SMTP:
        """Open a connection, encrypted where the server can or the configuration says it must."""
        config = self._config
        host, port = _host_and_port(config.smarthost)
        name = config.hello or None
        if port == _SMTPS_PORT:
            return smtplib.SMTP_SSL(
                host, port, name, timeout=_TIMEOUT_S, context=_tls(config.tls_config)
            )
        server = smtplib.SMTP(host, port, name, timeout=_TIMEOUT_S)
        try:
            server.ehlo_or_helo_if_needed()
            if config.require_tls is not False or server.has_extn("starttls"):
                server.starttls(context=_tls(config.tls_config))
                server.ehlo()
        except BaseException:
            server.close()
            raise
        return server


def complete(config: EmailConfig, defaults: Mapping[str, object]) -> EmailConfig:
    """Fill what *config* leaves open from *defaults*; raises `ValueError` for what still lacks."""
    found = {name: value for name, value in defaults.items() if getattr(config, name) in ("", None)}
    if config.auth_password is not None or config.auth_password_file is not None:
        found = {name: value for name, value in found.items() if "password" not in name}
    filled = msgspec.structs.replace(config, **found)
    for name, key in (("from_", "from"), ("smarthost", "smarthost")):
        if not getattr(filled, name):
            raise ValueError(f"{key} is missing, here and as global.smtp_{key}")
    _host_and_port(filled.smarthost)
    if filled.tls_config is not None and filled.tls_config.server_name is not None:
        raise ValueError("tls_config.server_name has no effect on email; use it in smarthost")
    return filled


def _host_and_port(smarthost: str) -> tuple[str, int]:
    host, _, port = smarthost.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("smarthost must be host:port, such as mail.example.org:587")
    return host.strip("[]"), int(port)


def _tls(config: TlsConfig | None) -> ssl.SSLContext:
    config = config or TlsConfig()
    context = ssl.create_default_context(cafile=config.ca_file)
    if config.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.cert_file is not None:
        context.load_cert_chain(config.cert_file, config.key_file)
    return context


def _refused(code: int, text: bytes | str) -> Outcome:
    detail = f"SMTP {code}: {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    if code >= _FIRST_PERMANENT:
        return Outcome.failed(Reason.CLIENT_ERROR, detail)
    return Outcome.retry(Reason.SERVER_ERROR, detail)
