"""One request to a receiver: who asks, redirects, time-outs, and what the answer means."""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urljoin

import msgspec
import urllib3

from veriscope.alert.notify.http.config import HttpConfig
from veriscope.alert.notify.http.oauth2 import TokenSource
from veriscope.alert.notify.http.pool import Connections
from veriscope.alert.notify.outcome import Outcome, Reason
from veriscope.alert.notify.sending import Secrets

_REASON_CHARACTERS: Final = 200
_LARGEST_ANSWER_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 16 * 1024
_MOST_REDIRECTS: Final = 5
_SUCCESS: Final = range(200, 300)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER: Final = 303
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
_LONGEST_RETRY_AFTER_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a receiver's service."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    @classmethod
    def json(
        cls,
        url: str,
        body: object,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> "Request":
        """Return a request with *body* as JSON."""
        kind = {"Content-Type": "application/json"}
        return cls(url, msgspec.json.encode(body), {**kind, **(headers or {})}, method)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, the beginning of it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class RequestFailedError(Exception):
    """There is no answer; `outcome` says why, and whether to try again."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class HttpSender:
    """Sends requests as *config* says; keeps connections open between them."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._connections = Connections(config)
        self._tokens = TokenSource(config.oauth2) if config.oauth2 is not None else None

    def send(self, request: Request, secrets: Secrets) -> Answer:
        """
        Send *request* once, within `timeout_s`, redirects included.

        A redirect is followed with the same request, but never to another host: it could be
        anybody's. Raises `RequestFailedError`, and `SecretUnreadableError`.
        """
        deadline_s = time.monotonic() + self._config.timeout_s
        headers = {
            "User-Agent": "veriscope",
            **self._further_headers(secrets),
            **self._authorization(secrets, deadline_s),
            **request.headers,
        }
        request = replace(request, headers=headers)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._once(request, deadline_s)
            place = answer.headers.get("Location", "")
            if not (self._config.follow_redirects and place and answer.status in _REDIRECTS):
                return answer
            request = _redirected(request, answer.status, place)
        raise RequestFailedError(Outcome.failed(Reason.CLIENT_ERROR, "too many redirects"))

    def _once(self, request: Request, deadline_s: float) -> Answer:
        """Return the answer to *request*; no error's text is shown that may hold the URL."""
        try:
            return _exchange(self._connections.to(request.url), request, deadline_s)
        except urllib3.exceptions.NewConnectionError as error:
            # urllib3 counts it among the time-outs.
            outcome = Outcome.retry(Reason.OTHER, _cause_of(error))
        except urllib3.exceptions.TimeoutError as error:
            outcome = Outcome.retry(Reason.DEADLINE_EXCEEDED, type(error).__name__)
        except urllib3.exceptions.LocationValueError:
            outcome = Outcome.failed(Reason.CLIENT_ERROR, "the URL cannot be used")
        except urllib3.exceptions.HTTPError as error:
            is_late = time.monotonic() >= deadline_s
            reason = Reason.DEADLINE_EXCEEDED if is_late else Reason.OTHER
            outcome = Outcome.retry(reason, _cause_of(error))
        except OSError as error:
            detail = f"cannot use the files of tls_config: {error.strerror or type(error).__name__}"
            outcome = Outcome.retry(Reason.OTHER, detail)
        except ValueError:
            # A header with a line break in it; the error's text would show the secret.
            detail = "a header or the URL cannot be sent; check the secrets"
            outcome = Outcome.failed(Reason.CLIENT_ERROR, detail)
        raise RequestFailedError(outcome) from None

    def _authorization(self, secrets: Secrets, deadline_s: float) -> dict[str, str]:
        config = self._config
        if (basic := config.basic_auth) is not None:
            user = basic.username
            if basic.username_file is not None:
                user = secrets.read(None, basic.username_file, "basic_auth.username_file")
            password = secrets.read(basic.password, basic.password_file, "basic_auth.password_file")
            login = base64.b64encode(f"{user}:{password}".encode()).decode()
            return {"Authorization": f"Basic {secrets.keep(login)}"}
        if (header := config.authorization) is not None:
            credentials = secrets.read(
                header.credentials, header.credentials_file, "authorization.credentials_file"
            )
            return {"Authorization": f"{header.type} {credentials}"}
        if config.bearer_token is not None or config.bearer_token_file is not None:
            token = secrets.read(config.bearer_token, config.bearer_token_file, "bearer_token_file")
            return {"Authorization": f"Bearer {token}"}
        if self._tokens is not None:
            return {"Authorization": f"Bearer {_token(self._tokens, secrets, deadline_s)}"}
        return {}

    def _further_headers(self, secrets: Secrets) -> dict[str, str]:
        found = {}
        for name, header in self._config.http_headers.items():
            values = [
                *header.values,
                *(secrets.keep(secret.reveal()) for secret in header.secrets),
                *(secrets.read(None, file, f"http_headers.{name}") for file in header.files),
            ]
            found[name] = ", ".join(values)
        return found


def _token(tokens: TokenSource, secrets: Secrets, deadline_s: float) -> str:
    wait_s = max(0.001, deadline_s - time.monotonic())
    try:
        return tokens.token(secrets, wait_s)
    except urllib3.exceptions.HTTPError as error:
        outcome = Outcome.retry(Reason.OTHER, f"no token of oauth2: {_cause_of(error)}")
    except (OSError, ValueError) as error:
        outcome = Outcome.retry(Reason.OTHER, f"no token of oauth2: {type(error).__name__}")
    raise RequestFailedError(outcome) from None


def _exchange(pool: urllib3.PoolManager, request: Request, deadline_s: float) -> Answer:
    response = pool.request(
        request.method,
        request.url,
        body=request.body or None,
        headers=request.headers,
        redirect=False,
        retries=False,
        timeout=urllib3.Timeout(total=max(0.001, deadline_s - time.monotonic())),
        preload_content=False,
    )
    try:
        pieces, size = [], 0
        while size < _LARGEST_ANSWER_BYTES and (piece := response.read1(_PIECE_BYTES)):
            pieces.append(piece)
            size += len(piece)
            if time.monotonic() > deadline_s:
                raise urllib3.exceptions.ReadTimeoutError(pool, None, "the answer is too slow")  # type: ignore[arg-type]
        body = b"".join(pieces)
        if size >= _LARGEST_ANSWER_BYTES:
            response.close()
        return Answer(response.status, body, response.headers)
    finally:
        response.release_conn()


def _redirected(request: Request, status: int, place: str) -> Request:
    """Return *request* to where *place* leads; raises `RequestFailedError` for another host."""
    target = urljoin(request.url, place)
    try:
        old, new = urllib3.util.parse_url(request.url), urllib3.util.parse_url(target)
    except urllib3.exceptions.LocationParseError:
        raise RequestFailedError(
            Outcome.failed(Reason.CLIENT_ERROR, "redirected to what is no URL")
        ) from None
    same = (old.scheme, old.host, old.port) == (new.scheme, new.host, new.port)
    upgraded = (old.scheme, new.scheme, old.host) == ("http", "https", new.host)
    if not same and not upgraded:
        detail = f"HTTP {status} redirects to another host; give that one's URL if it is right"
        raise RequestFailedError(Outcome.failed(Reason.CLIENT_ERROR, detail))
    if status == _SEE_OTHER:
        return Request(target, b"", request.headers, "GET")
    return replace(request, url=target)


def outcome_of(answer: Answer, secrets: Secrets, retried: frozenset[int] = frozenset()) -> Outcome:
    """
    Tell what an *answer* means for the notification.

    429, 5xx and what is in *retried* may pass later; other refusals never do.
    """
    if answer.status in _SUCCESS:
        return Outcome.delivered()
    said = secrets.hide(answer.body.decode(errors="replace"))[:_REASON_CHARACTERS].strip()
    detail = f"HTTP {answer.status}: {said}" if said else f"HTTP {answer.status}"
    if answer.status >= _SERVER_ERROR:
        return Outcome.retry(Reason.SERVER_ERROR, detail, _retry_after_s(answer))
    if answer.status == _TOO_MANY or answer.status in retried:
        return Outcome.retry(Reason.CLIENT_ERROR, detail, _retry_after_s(answer))
    return Outcome.failed(Reason.CLIENT_ERROR, detail)


def _retry_after_s(answer: Answer) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_RETRY_AFTER_S) if text.isdecimal() else 0.0


def _cause_of(error: urllib3.exceptions.HTTPError) -> str:
    """Return the kinds of *error* and of what it stems from; its text may hold the URL."""
    inner = getattr(error, "reason", None) or error.__cause__
    kind = type(error).__name__
    return f"{kind} ({type(inner).__name__})" if isinstance(inner, Exception) else kind
