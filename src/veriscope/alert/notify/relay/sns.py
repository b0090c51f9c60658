"""Amazon SNS: a message to a topic, a phone or an endpoint, signed with Signature Version 4."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlencode

import msgspec
import urllib3

from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Request
from veriscope.alert.notify.sending import Sending, Surroundings, cut, cut_bytes
from veriscope.signals import Secret

_SUBJECT_CHARACTERS: Final = 100
_MESSAGE_BYTES: Final = 256 * 1024
_SMS_CHARACTERS: Final = 1600
_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class SigV4Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks AWS, and in which region."""

    region: str
    """The region, such as `eu-central-1`."""
    access_key: str
    """Id of the access key."""
    secret_key: Secret
    """The access key itself."""


class SnsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `sns_configs`."""

    send_resolved: bool = True
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """TLS, proxy; that of `global` where it is not given."""
    api_url: str = ""
    """Where the API is; `https://sns.REGION.amazonaws.com` where it is not given."""
    sigv4: SigV4Config
    """Who asks."""
    topic_arn: str = ""
    """The topic, a template; this, `phone_number` or `target_arn` is needed."""
    phone_number: str = ""
    """The phone, a template."""
    target_arn: str = ""
    """The endpoint of a mobile application, a template."""
    subject: str = '{{ template "sns.default.subject" . }}'
    """Subject, a template; cut after 100 characters."""
    message: str = '{{ template "sns.default.message" . }}'
    """Text, a template; cut after 256 KiB, of a phone after 1,600 characters."""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    """Attributes of the message, each a template."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.topic_arn, self.phone_number, self.target_arn))) != 1:
            raise ValueError("give one of topic_arn, phone_number and target_arn")
        if "{{" in self.api_url:
            raise ValueError("api_url cannot be a template: nothing but this file names hosts")


class SnsNotifier(HttpNotifier):
    """Publishes a group as one message."""

    integration = "sns"

    def __init__(self, config: SnsConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        self._config = config
        base = config.api_url or f"https://sns.{config.sigv4.region}.amazonaws.com"
        self._url = f"{base.rstrip('/')}/"
        require_http_url(self._url, "sns_configs.api_url")

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the message, signed."""
        form = {"Action": "Publish", "Version": "2010-03-31", **self._message(sending)}
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        request = Request(self._url, urlencode(form).encode(), headers)
        key = self._config.sigv4
        secret = sending.secrets.read(key.secret_key, None, "secret_key")
        return [signed(request, key, secret, self._around.clock.now_ms())]

    def _message(self, sending: Sending) -> dict[str, str]:
        config = self._config
        target = {
            "TopicArn": sending.text(config.topic_arn),
            "PhoneNumber": sending.text(config.phone_number),
            "TargetArn": sending.text(config.target_arn),
        }
        whole = sending.text(config.message)
        shown = cut_bytes(whole, _MESSAGE_BYTES)
        if config.phone_number:
            shown = cut(whole, _SMS_CHARACTERS)
        attributes = sending.texts(config.attributes)
        if shown != whole:
            attributes["truncated"] = "true"
        form = {name: text for name, text in target.items() if text}
        form["Message"] = shown
        if subject := sending.text(config.subject):
            form["Subject"] = cut(" ".join(subject.split()), _SUBJECT_CHARACTERS)
        for number, (name, value) in enumerate(attributes.items(), 1):
            entry = f"MessageAttributes.entry.{number}"
            form[f"{entry}.Name"] = name
            form[f"{entry}.Value.DataType"] = "String"
            form[f"{entry}.Value.StringValue"] = value
        if target["TopicArn"].endswith(".fifo"):
            key = sha256(sending.group.key.encode()).hexdigest()
            form |= {"MessageDeduplicationId": key, "MessageGroupId": key}
        return form


def signed(request: Request, key: SigV4Config, secret: str, now_ms: int) -> Request:
    """
    Return *request* with the headers of Signature Version 4.

    Source: AWS, "Create a signed AWS API request".
    """
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    at, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    parts = urllib3.util.parse_url(request.url)
    headers = {
        "content-type": request.headers["Content-Type"],
        "host": parts.netloc or "",
        "x-amz-date": at,
    }
    names = ";".join(headers)
    canonical = "\n".join(
        [
            request.method,
            quote(parts.path or "/"),
            parts.query or "",
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            names,
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{day}/{key.region}/sns/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{at}\n{scope}\n{digest}"
    signing = f"AWS4{secret}".encode()
    for step in (day, key.region, "sns", "aws4_request"):
        signing = hmac.digest(signing, step.encode(), "sha256")
    signature = hmac.digest(signing, text.encode(), "sha256").hex()
    credential = f"Credential={key.access_key}/{scope}"
    authorization = f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"
    further = {"X-Amz-Date": at, "Authorization": authorization}
    return Request(request.url, request.body, {**request.headers, **further}, request.method)
