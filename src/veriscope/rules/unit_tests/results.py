"""What became of unit tests."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is not as expected."""

    subject: str
    """What was looked at, such as `alert HighLatency at 10m`."""
    lines: tuple[str, ...]
    """What is wrong: `- ` is expected and missing, `+ ` is there and not expected."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test."""

    __test__ = False  # pytest collects what is called Test

    name: str
    """Its own name, or `test N`."""
    seconds: float
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file of tests."""

    path: str
    tests: tuple[TestResult, ...] = ()
    error: str = ""
    """Why no test could be run; empty where they were."""
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """How many tests failed."""
        return sum(bool(test.failures) for test in self.tests)

    @property
    def ok(self) -> bool:
        """Whether the file could be read and no test failed."""
        return not self.error and not self.failed
