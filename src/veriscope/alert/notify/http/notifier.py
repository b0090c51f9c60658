"""What notifiers that speak HTTP share: fill the texts, send, tell what became of it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from veriscope.alert.group import AlertGroup
from veriscope.alert.notify.http.config import HttpConfig
from veriscope.alert.notify.http.sender import (
    Answer,
    HttpSender,
    Request,
    RequestFailedError,
    outcome_of,
)
from veriscope.alert.notify.outcome import Outcome, Reason, Verdict
from veriscope.alert.notify.sending import Secrets, SecretUnreadableError, Sending, Surroundings


class HttpReceiver(Protocol):
    """What the options of every receiver over HTTP have."""

    @property
    def send_resolved(self) -> bool:
        """Whether to send the end of alerts too."""

    @property
    def http_config(self) -> HttpConfig | None:
        """Authorization, TLS, proxy."""


class HttpNotifier:
    """Sends what `requests` makes of a group, in order, until one of them is not taken."""

    integration: str

    def __init__(self, config: HttpReceiver, around: Surroundings) -> None:
        self.send_resolved = config.send_resolved
        self._around = around
        self._http = HttpSender(config.http_config or around.http)

    def notify(self, group: AlertGroup) -> Outcome:
        """Send *group* once."""
        return self.deliver(Sending(self.integration, group, self._around), self.requests)

    def requests(self, sending: Sending) -> Sequence[Request]:
        """Return what is sent for a group."""
        raise NotImplementedError

    def judge(self, answer: Answer, secrets: Secrets) -> Outcome:
        """Tell what the *answer* to one request means."""
        return outcome_of(answer, secrets)

    def deliver(
        self, sending: Sending, requests: Callable[[Sending], Sequence[Request]]
    ) -> Outcome:
        """Send what *requests* makes of *sending*, in order."""
        try:
            for request in requests(sending):
                outcome = self.judge(self._http.send(request, sending.secrets), sending.secrets)
                if outcome.verdict is not Verdict.DELIVERED:
                    return outcome
        except SecretUnreadableError as error:
            return Outcome.retry(Reason.OTHER, str(error))
        except RequestFailedError as error:
            return error.outcome
        return Outcome.delivered()
