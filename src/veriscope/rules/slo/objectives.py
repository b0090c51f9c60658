"""What an objective is, whichever file it came from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Objective:
    """
    A service level objective: *percent* of what *service* does is to be good, over *window_ms*.

    The other fields name what its compiled rules record, so that a page finds it.
    """

    id: str
    """Unique among all files: service and name."""
    service: str
    name: str
    description: str
    percent: float
    """What is to be good, such as 99.9."""
    window_ms: int
    """The length of the rolling window that the error budget is for, in milliseconds."""
    labels: tuple[tuple[str, str], ...]
    """Labels of its own that all of its series have."""
    selector: tuple[tuple[str, str], ...]
    """Labels by which its series are told from those of the other objectives."""
    error_ratio: tuple[tuple[int, str], ...]
    """By window in milliseconds, the series of the share of what was bad."""
    budget_remaining: str
    """The series of the share of the error budget that is left; negative once it is spent."""
    burn_rate: str
    """The series of how many times faster than allowed the budget is spent at present."""
    period_burn_rate: str
    """The same, over the whole window."""
    alerts: tuple[str, ...]
    """Names of its alerts."""
    file: str
    """Where it stands."""

    @property
    def budget(self) -> float:
        """The share that may be bad, such as 0.001."""
        return 1 - self.percent / 100
