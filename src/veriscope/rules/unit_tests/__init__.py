"""Unit tests of rules: promtool's files and verdicts."""

from veriscope.rules.unit_tests.report import as_junit, as_text
from veriscope.rules.unit_tests.results import Failure, FileResult, TestResult
from veriscope.rules.unit_tests.running import run

__all__ = ["Failure", "FileResult", "TestResult", "as_junit", "as_text", "run"]
