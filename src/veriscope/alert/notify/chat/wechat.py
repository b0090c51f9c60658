"""WeChat Work: a message of an application."""

import time
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from veriscope.alert.notify.http import HttpConfig, require_http_url
from veriscope.alert.notify.http.notifier import HttpNotifier
from veriscope.alert.notify.http.sender import Answer, Request, RequestFailedError, outcome_of
from veriscope.alert.notify.outcome import Outcome, Reason, Verdict
from veriscope.alert.notify.sending import Secrets, Sending, Surroundings
from veriscope.signals import Secret

_TOKEN_LIFE_S: Final = 7200.0
_TOKEN_INVALID: Final = frozenset({40014, 42001})


class WeChatConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `wechat_configs`."""

    send_resolved: bool = False
    """Whether to send the end of alerts too."""
    http_config: HttpConfig | None = None
    """Authorization, TLS, proxy; that of `global` where it is not given."""
    api_secret: Secret | None = None
    """Secret of the application; `global.wechat_api_secret` where it is not given."""
    api_url: str = ""
    """Where the API is; `global.wechat_api_url` where it is not given."""
    corp_id: str = ""
    """Id of the organisation; `global.wechat_api_corp_id` where it is not given."""
    message: str = '{{ template "wechat.default.message" . }}'
    """Text, a template."""
    message_type: str = "text"
    """`text` or `markdown`."""
    agent_id: str = '{{ template "wechat.default.agent_id" . }}'
    """Id of the application, a template."""
    to_user: str = '{{ template "wechat.default.to_user" . }}'
    """Users, a template."""
    to_party: str = '{{ template "wechat.default.to_party" . }}'
    """Departments, a template."""
    to_tag: str = '{{ template "wechat.default.to_tag" . }}'
    """Tags, a template."""

    def __post_init__(self) -> None:
        if self.message_type not in ("text", "markdown"):
            raise ValueError("message_type must be text or markdown")


class WeChatNotifier(HttpNotifier):
    """Sends a group as one message, under a token that is good for two hours."""

    integration = "wechat"

    def __init__(self, config: WeChatConfig, around: Surroundings) -> None:
        super().__init__(config, around)
        require_http_url(config.api_url, "wechat_configs.api_url")
        self._config = config
        self._url = config.api_url.rstrip("/")
        self._lock = Lock()
        self._token = ""
        self._got_s = 0.0

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return the message, having got a token where there is none; may raise its failure."""
        config = self._config
        secret = sending.secrets.read(config.api_secret, None, "api_secret")
        token = sending.secrets.keep(self._current_token(secret, sending.secrets))
        names = {"touser": "to_user", "toparty": "to_party", "totag": "to_tag"}
        texts = sending.texts({name: getattr(config, key) for name, key in names.items()})
        content = sending.text(config.message)
        message: dict[str, Any] = {
            "text": {"content": content if config.message_type == "text" else ""},
            "markdown": {"content": content if config.message_type == "markdown" else ""},
            "agentid": sending.text(config.agent_id),
            "safe": "0",
            "msgtype": config.message_type,
            **{name: text for name, text in texts.items() if text},
        }
        url = f"{self._url}/message/send?{urlencode({'access_token': token})}"
        return [Request.json(url, message)]

    def judge(self, answer: Answer, secrets: Secrets) -> Outcome:
        """Tell what the *answer* means: refusals come with status 200 and a code."""
        outcome = outcome_of(answer, secrets)
        if outcome.verdict is not Verdict.DELIVERED:
            return outcome
        said = _object(answer.body)
        code = said.get("errcode", said.get("code", 0))
        if not code:
            return outcome
        detail = secrets.hide(f"WeChat says {code}: {said.get('errmsg', said.get('error', ''))}")
        if code in _TOKEN_INVALID:
            with self._lock:
                self._token = ""
            return Outcome.retry(Reason.CLIENT_ERROR, detail)
        return Outcome.failed(Reason.CLIENT_ERROR, detail)

    def _current_token(self, secret: str, secrets: Secrets) -> str:
        with self._lock:
            if not self._token or time.monotonic() - self._got_s > _TOKEN_LIFE_S:
                self._token = self._fetch_token(secret, secrets)
                self._got_s = time.monotonic()
            return self._token

    def _fetch_token(self, secret: str, secrets: Secrets) -> str:
        query = urlencode({"corpid": self._config.corp_id, "corpsecret": secret})
        answer = self._http.send(Request(f"{self._url}/gettoken?{query}", method="GET"), secrets)
        token = str(_object(answer.body).get("access_token") or "")
        if not token:
            outcome = outcome_of(answer, secrets)
            if outcome.verdict is Verdict.DELIVERED:
                detail = "WeChat gives no token; check corp_id and api_secret"
                outcome = Outcome.failed(Reason.CLIENT_ERROR, detail)
            raise RequestFailedError(outcome)
        return token


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
