"""Email: one message for each group, as HTML and text."""

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid
from hashlib import sha256
from html import escape
from typing import Any, Final

import msgspec

from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.evidence import (
    Section,
    evidence_links,
    evidence_sections,
    is_worth_showing,
)
from veriscope.alert.notify.http import TlsConfig
from veriscope.alert.notify.mail.smtp import Letter, Login, SmtpServer, deliver, host_and_port
from veriscope.alert.notify.outcome import Outcome, Reason
from veriscope.alert.notify.sending import SecretUnreadableError, Sending, Surroundings
from veriscope.signals import Secret
from veriscope.signals.evidence import Evidence

_GRAPH: Final = "graph@veriscope.invalid"


class EmailConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `email_configs`. What is not given is taken from `global.smtp_…`."""

    to: str
    """Addresses, separated by commas, a template."""
    send_resolved: bool = False
    """Whether to send the end of alerts too."""
    from_: str = msgspec.field(default="", name="from")
    """The sender's address, a template."""
    smarthost: str = ""
    """`host:port` of the mail server; port 465 is spoken to in TLS from the start."""
    hello: str = ""
    """Name of this machine in SMTP's greeting."""
    auth_username: str = ""
    """Login; none where it is not given."""
    auth_password: Secret | None = None
    """Its password, for `PLAIN` and `LOGIN`."""
    auth_password_file: str | None = None
    """File that holds the password, read for each message."""
    auth_secret: Secret | None = None
    """Its secret, for `CRAM-MD5`."""
    auth_identity: str = ""
    """Whom `PLAIN` acts for; the user where it is not given."""
    require_tls: bool | None = None
    """Whether to send nothing unless the connection is encrypted; true where not given."""
    tls_config: TlsConfig | None = None
    """How to trust the mail server; `global.smtp_tls_config` where it is not given."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    """Further headers, or other ones for `Subject`, `From` and `To`; each a template."""
    html: str = '{{ template "email.default.html" . }}'
    """HTML, a template; no HTML where it is empty."""
    text: str = ""
    """Plain text, a template; all alerts with their annotations where it is not given."""

    def __post_init__(self) -> None:
        if not self.to.strip():
            raise ValueError("to holds no address")
        names = [name.title() for name in self.headers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"headers: {name} is given twice; remove one")
        if self.auth_password is not None and self.auth_password_file is not None:
            raise ValueError("give auth_password or auth_password_file, not both")
        if self.smarthost:
            host_and_port(self.smarthost)


class EmailNotifier:
    """Sends a group as one message; the parts of a *config* must be complete."""

    integration = "email"

    def __init__(self, config: EmailConfig, around: Surroundings) -> None:
        self.send_resolved = config.send_resolved
        self._config = config
        self._around = around

    def notify(self, group: AlertGroup) -> Outcome:
        """Send *group* once; only what the server refuses for good is not tried again."""
        sending = Sending(self.integration, group, self._around)
        config = self._config
        try:
            login = self._login(sending)
        except SecretUnreadableError as error:
            return Outcome.retry(Reason.OTHER, str(error))
        sender = _addresses(sending.text(config.from_))
        recipients = _addresses(sending.text(config.to))
        if len(sender) != 1 or not recipients:
            detail = "`from` must give one address, and `to` at least one"
            return Outcome.failed(Reason.CLIENT_ERROR, detail)
        message = self._message(sending)
        server = SmtpServer(
            smarthost=config.smarthost,
            hello=config.hello,
            require_tls=config.require_tls is not False,
            tls=config.tls_config or TlsConfig(),
        )
        letter = Letter(message, sender[0], tuple(recipients))
        return deliver(server, login, letter, sending.secrets)

    def _login(self, sending: Sending) -> Login | None:
        config, secrets = self._config, sending.secrets
        if not config.auth_username:
            return None
        return Login(
            user=config.auth_username,
            password=secrets.read(
                config.auth_password, config.auth_password_file, "auth_password_file"
            ),
            secret=secrets.read(config.auth_secret, None, "auth_secret"),
            identity=config.auth_identity,
        )

    def _message(self, sending: Sending) -> EmailMessage:
        config, group = self._config, sending.group
        headers = {
            "Subject": '{{ template "email.default.subject" . }}',
            "To": config.to,
            "From": config.from_,
            **{name.title(): template for name, template in config.headers.items()},
        }
        message = EmailMessage()
        for name, text in sending.texts(headers).items():
            _set(message, name, text)
        message["Date"] = formatdate(self._around.clock.now_ms() / 1000)
        message["Message-ID"] = make_msgid(domain="veriscope.invalid")
        # Mail readers show what concerns one group as one conversation.
        thread = sha256(group.key.encode()).hexdigest()[:32]
        message["References"] = f"<{thread}@veriscope.invalid>"
        evidence = group.evidence
        text = sending.text(config.text) or _plain(group)
        html = sending.html(config.html)
        if evidence is not None and is_worth_showing(evidence):
            text = f"{text}\n\n{_evidence_text(evidence)}"
            html = _with_evidence(html, evidence) if html else html
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
            if evidence is not None and evidence.graph_png:
                _attach_graph(message, evidence.graph_png)
        return message


def _set(message: EmailMessage, name: str, text: str) -> None:
    """Set a header on one line, so that no template can begin another one."""
    line = " ".join(text.split())
    try:
        message[name] = line
    except (HeaderParseError, ValueError, IndexError):
        # Text where an address must stand; the recipients of the envelope were checked.
        message[name] = ", ".join(str(Address(addr_spec=each)) for each in _addresses(line))


def _addresses(text: str) -> list[str]:
    return [address for _, address in getaddresses([text]) if "@" in address]


def _plain(group: AlertGroup) -> str:
    """Return a paragraph for each alert: status, annotations, labels."""
    paragraphs = []
    for alert in group.alerts:
        labels = dict(alert.labels)
        lines = [f"{alert.status.upper()}: {labels.pop('alertname', '')}"]
        lines += [f"  {name}: {text}" for name, text in alert.annotations]
        lines += [f"  {name}={value}" for name, value in labels.items()]
        if alert.generator_url:
            lines.append(f"  {alert.generator_url}")
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def _evidence_text(evidence: Evidence) -> str:
    """Return a paragraph for each kind of evidence, then the links."""
    paragraphs = [
        "\n".join([f"{title}:", *(f"  {line}" for line in lines)])
        for title, lines in evidence_sections(evidence)
    ]
    links = [f"{text}: {url}" for text, url in evidence_links(evidence)]
    return "\n\n".join([*paragraphs, "\n".join(links)])


def _with_evidence(html: str, evidence: Evidence) -> str:
    """Return *html* with the evidence at the end of its body."""
    sections = "".join(map(_section, evidence_sections(evidence)))
    links = " · ".join(
        f'<a style="color:#348eda" href="{escape(url)}">{escape(text)}</a>'
        for text, url in evidence_links(evidence)
    )
    graph = ""
    if evidence.graph_png:
        graph = f'<img src="cid:{_GRAPH}" alt="The expression around the onset" width="100%">'
    section = (
        '<div style="max-width:640px;margin:16px auto;padding:16px;background:#fff;'
        'border-radius:3px;font:14px/1.5 Helvetica,Arial,sans-serif;color:#333">'
        f"{graph}{sections}<p>{links}</p></div>"
    )
    head, end, tail = html.rpartition("</body>")
    return f"{head}{section}{end}{tail}" if end else html + section


def _section(section: Section) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in section.lines)
    return (
        f'<div style="margin-top:12px;font-weight:bold">{escape(section.title)}</div>'
        '<ul style="margin:4px 0 0;padding-left:20px;overflow-wrap:anywhere">'
        f"{lines}</ul>"
    )


def _attach_graph(message: EmailMessage, png: bytes) -> None:
    """Put the graph beside the HTML that shows it."""
    html: Any = message.get_body(("html",))
    html.add_related(png, "image", "png", cid=f"<{_GRAPH}>", filename="graph.png")
