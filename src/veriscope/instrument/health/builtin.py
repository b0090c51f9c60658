"""
Checks that most services need: disk, memory, GPU, database, HTTP, process.

Each function returns a check for `HealthChecks.add`. They are plain functions that may block;
`HealthChecks` runs them in threads.
"""

import math
import os
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final, Protocol

import psutil
import re2

from veriscope.instrument.health.result import CheckResult
from veriscope.signals import InvalidInputError

_ALL_PERCENT: Final = 100


class DatabaseConnection(Protocol):
    """The part of a DB-API 2.0 connection that is needed."""

    def cursor(self) -> Any:
        """Return a new cursor."""

    def close(self) -> object:
        """Release the connection."""


def disk_check(path: str = "/", max_percent: float = 90) -> Callable[[], CheckResult]:
    """
    Check that the file system of *path* is at most *max_percent* full.

    The figure is that of `df`: of the space that users may have, rounded up.
    """
    _require_percent(max_percent)

    def check() -> CheckResult:
        usage = psutil.disk_usage(path)
        percent = math.ceil(100 * usage.used / ((usage.used + usage.free) or 1))
        return CheckResult(
            ok=percent <= max_percent,
            reason=f"Disk usage at {percent}%" + (f" on {path}" if path != "/" else ""),
            observed=percent,
            unit="percent",
            component_type="system",
        )

    return check


def memory_check(max_percent: float = 90) -> Callable[[], CheckResult]:
    """
    Check that at most *max_percent* of the memory is in use.

    In use is what is not available, so caches do not count.
    """
    _require_percent(max_percent)

    def check() -> CheckResult:
        memory = psutil.virtual_memory()
        percent = round(100 * (memory.total - memory.available) / memory.total)
        return CheckResult(
            ok=percent <= max_percent,
            reason=f"Memory usage at {percent}%",
            observed=percent,
            unit="percent",
            component_type="system",
        )

    return check


def gpu_check() -> Callable[[], CheckResult]:
    """
    Check that every NVIDIA GPU answers; `no_gpu` where there is none.

    The driver is asked (NVML), so that no GPU memory and no framework is needed.
    """

    def check() -> CheckResult:
        # Only here, since pynvml takes several megabytes that a machine without GPU can keep.
        import pynvml  # noqa: PLC0415

        absent = (
            pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
            pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        )
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            if error.value in absent:
                return CheckResult(text="no_gpu", observed=0, unit="gpus")
            raise
        try:
            count = pynvml.nvmlDeviceGetCount()
            for index in range(count):
                pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(index))
        finally:
            pynvml.nvmlShutdown()
        return CheckResult(text="" if count else "no_gpu", observed=count, unit="gpus")

    return check


def database_check(
    connect: Callable[[], DatabaseConnection], query: str = "SELECT 1"
) -> Callable[[], CheckResult]:
    """
    Check that *connect* (DB-API 2.0) gives a connection on which *query* gives a row.

    Each run opens and closes a connection of its own, so that an exhausted pool of the
    application is neither used nor hidden.
    """

    def check() -> CheckResult:
        with closing(connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
        found = row is not None
        reason = "" if found else f"{query!r} gave no row"
        return CheckResult(ok=found, reason=reason, component_type="datastore")

    return check


def http_check(
    url: str, *, timeout_s: float = 3.0, max_status: int = 399
) -> Callable[[], CheckResult]:
    """Check that *url* answers a GET within *timeout_s* seconds, with at most *max_status*."""
    if not url.startswith(("http://", "https://")):
        raise InvalidInputError("http_check needs an http:// or https:// URL")

    def check() -> CheckResult:
        # Only here: the host process may never need an HTTP client.
        import urllib3  # noqa: PLC0415

        with urllib3.PoolManager(
            retries=urllib3.Retry(0, redirect=5, raise_on_redirect=True)
        ) as pool:
            try:
                response = pool.request("GET", url, timeout=timeout_s, preload_content=False)
            except urllib3.exceptions.HTTPError as error:
                cause = getattr(error, "reason", None) or error
                return CheckResult(ok=False, reason=_without_address(str(cause)))
            status = response.status
            response.close()
        return CheckResult(
            ok=status <= max_status,
            reason=f"answered with status {status}",
            observed=status,
            unit="status",
        )

    return check


def process_check(pattern: str, *, ignore: str = "") -> Callable[[], CheckResult]:
    """
    Check that a process runs whose command line *pattern* (RE2) is found in.

    This process itself, zombies, and command lines in which *ignore* (RE2) is found do not
    count. Raises `InvalidInputError` for what is not an expression.
    """
    wanted = _compile(pattern)
    unwanted = _compile(ignore) if ignore else None

    def check() -> CheckResult:
        count = 0
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or ())
            if not line or process.pid == os.getpid():
                continue
            if process.info["status"] == psutil.STATUS_ZOMBIE or not wanted.search(line):
                continue
            count += not (unwanted and unwanted.search(line))
        return CheckResult(
            ok=count > 0,
            reason="" if count else f"no process matches {pattern!r}",
            observed=count,
            unit="processes",
            component_type="system",
        )

    return check


def _require_percent(value: float) -> None:
    if not 0 <= value <= _ALL_PERCENT:
        raise InvalidInputError(f"{value} is not a percentage from 0 to 100")


def _compile(pattern: str) -> Any:
    try:
        return re2.compile(pattern)
    except re2.error as error:
        raise InvalidInputError(f"{pattern!r} is not an RE2 expression: {error}") from error


def _without_address(text: str) -> str:
    """Return urllib3's words without the object's address that they begin with."""
    return text.partition(">: ")[2] or text.partition("): ")[2] or text
