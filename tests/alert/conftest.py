"""A real mail server, and groups of alerts to send to it and to `receiver`."""

import base64
import hmac
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from veriscope.alert import Alert, AlertGroup
from veriscope.signals import to_labels


@dataclass
class Mailbox:
    """A mail server on loopback: SMTP with STARTTLS and AUTH PLAIN, spoken for real."""

    tls: ssl.SSLContext | None
    user: str = "me"
    password: str = "secret"  # noqa: S105 - of this server only
    refuse: dict[str, str] = field(default_factory=dict)
    messages: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    ways: str = "PLAIN"
    port: int = 0


class SmtpSession(socketserver.StreamRequestHandler):
    """One connection, as RFC 5321, 3207 and 4954 have it."""

    mailbox: Mailbox

    def handle(self) -> None:  # noqa: C901 - one branch for each verb
        """Answer until the other side is done."""
        self.is_encrypted = False
        self._say("220 test")
        sender, recipients = "", []
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb in self.mailbox.refuse:
                self._say(self.mailbox.refuse[verb])
            elif verb == "EHLO":
                self._say("250-test")
                if self.mailbox.tls is not None and not self.is_encrypted:
                    self._say("250-STARTTLS")
                self._say(f"250 AUTH {self.mailbox.ways}" if self.mailbox.ways else "250 ok")
            elif verb == "STAR":
                self._say("220 go on")
                assert self.mailbox.tls is not None
                self._encrypt(self.mailbox.tls)
            elif verb == "AUTH":
                self._log_in(*line.split()[1:])
            elif verb == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
                self._say("250 ok")
            elif verb == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
                self._say("250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                self._keep(sender, recipients)
                self._say("250 kept")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _encrypt(self, tls: ssl.SSLContext) -> None:
        self.connection = tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.is_encrypted = True

    def finish(self) -> None:
        """Close what the encryption opened."""
        super().finish()
        self.connection.close()

    def _log_in(self, way: str, first: str = "") -> None:
        """Check a login, as RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5) and LOGIN have it."""
        mailbox = self.mailbox
        if way == "PLAIN":
            _, user, proof = base64.b64decode(first).decode().split("\0")
            wanted = mailbox.password
        elif way == "LOGIN":
            user = base64.b64decode(first).decode() if first else self._ask("Username:")
            proof, wanted = self._ask("Password:"), mailbox.password
        else:
            challenge = "<1@test>"
            user, _, proof = self._ask(challenge).rpartition(" ")
            wanted = hmac.digest(mailbox.password.encode(), challenge.encode(), "md5").hex()
        mailbox.logins.append(user)
        good = (user, proof) == (mailbox.user, wanted)
        self._say("235 welcome" if good else "535 wrong")

    def _ask(self, question: str) -> str:
        self._say(f"334 {base64.b64encode(question.encode()).decode()}")
        return base64.b64decode(self.rfile.readline().strip()).decode()

    def _keep(self, sender: str, recipients: list[str]) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        message = message_from_bytes(b"".join(lines), policy=policy.default)
        self.mailbox.encrypted.append(self.is_encrypted)
        self.mailbox.messages.append((sender, recipients, message))

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class QuietServer(socketserver.ThreadingTCPServer):
    """Lets clients leave in the middle, as those do that trust no certificate of ours."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a PEM file with the key and certificate of `localhost`."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


@pytest.fixture
def open_mailbox(certificate: Path) -> Iterator[Callable[..., Mailbox]]:
    """Start mail servers, with TLS unless told otherwise."""
    servers: list[socketserver.ThreadingTCPServer] = []

    def start(*, tls: bool = True) -> Mailbox:
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        mailbox = Mailbox(context)
        handler = type("Session", (SmtpSession,), {"mailbox": mailbox})
        server = QuietServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        mailbox.port = server.server_address[1]
        servers.append(server)
        return mailbox

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def make_group() -> Callable[..., AlertGroup]:
    """Make groups of alerts that differ in their label `instance`."""

    def make(*, firing: int = 1, resolved: int = 0, name: str = "HighLoad") -> AlertGroup:
        alerts = tuple(
            Alert(
                labels=to_labels({"alertname": name, "severity": "critical", "instance": str(i)}),
                annotations=to_labels({"summary": "Load is <high>"}),
                starts_at_ms=1_700_000_000_000,
                ends_at_ms=None if i < firing else 1_700_000_060_000,
                generator_url="http://veriscope/graph",
            )
            for i in range(firing + resolved)
        )
        return AlertGroup("team", alerts, to_labels({"alertname": name}), "http://veriscope")

    return make
