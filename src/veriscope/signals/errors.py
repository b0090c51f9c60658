"""
The root of every error that Veriscope raises on purpose.

VeriscopeError
├── InvalidInputError      what was sent or asked cannot be accepted as it is
│   ├── LimitExceededError ... because it is larger than a configured limit
│   └── PartlyRefusedError ... in part: the rest of it is stored
├── OverloadedError        try again later; nothing was stored
├── TimedOutError          it took longer than it may, and was stopped
└── UnavailableError       something Veriscope needs is missing or in use
"""


class VeriscopeError(Exception):
    """Something failed; the message names the cause and what to do about it."""


class InvalidInputError(VeriscopeError):
    """What was sent or asked is wrong, and will be wrong again if it is repeated."""


class LimitExceededError(InvalidInputError):
    """What was sent or asked is larger than a limit; the message names the limit's option."""


class PartlyRefusedError(InvalidInputError):
    """
    New series are refused by the limit *option*; everything else of the request is stored.

    *samples*, *histograms* and *exemplars* count what is not; `refused` is their sum.
    """

    def __init__(
        self, message: str, *, option: str, samples: int, histograms: int = 0, exemplars: int = 0
    ) -> None:
        super().__init__(message)
        self.option = option
        self.samples = samples
        self.histograms = histograms
        self.exemplars = exemplars

    @property
    def refused(self) -> int:
        """How many points are not stored."""
        return self.samples + self.histograms + self.exemplars


class OverloadedError(VeriscopeError):
    """The work was refused before any of it was done; repeat it after `retry_after_s`."""

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TimedOutError(VeriscopeError):
    """The work took longer than its limit allows; ask for less, or raise the limit."""


class UnavailableError(VeriscopeError):
    """A thing outside this process that is needed is missing, broken or in use."""
