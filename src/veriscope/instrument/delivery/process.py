"""The exporter of this process: configured once, found from everywhere, ended with it."""

import atexit
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote

from veriscope.instrument.forking import ForkLock
from veriscope.signals.log import get_log

if TYPE_CHECKING:
    from veriscope.instrument.delivery.exporter import Exporter
    from veriscope.instrument.delivery.options import ExportOptions

_log = get_log(__name__)

Receivers: TypeAlias = str | Path | Sequence[Mapping[str, Any]]
"""Alertmanager's `receivers`: a file, or what stands in one."""

_UNKNOWN_SERVICE: Final = "unknown_service:python"  # as OpenTelemetry names it


@dataclass(frozen=True, slots=True)
class Settings:
    """What `configure` was told, for the parts of the library that need it."""

    url: str | None = None
    service_name: str = _UNKNOWN_SERVICE
    receivers: Receivers | None = None


class _Process:
    """The state of this process."""

    __slots__ = ("exporter", "is_settled", "lock", "settings", "suggested_name", "waits_for_exit")

    def __init__(self) -> None:
        self.exporter: Exporter | None = None
        self.settings = Settings()
        self.suggested_name = ""
        self.is_settled = False
        self.waits_for_exit = False
        self.lock = ForkLock()


_process: Final = _Process()


def configure(
    url: str | None = None,
    *,
    service_name: str | None = None,
    token: str | None = None,
    receivers: Receivers | None = None,
    options: "ExportOptions | None" = None,
) -> "Exporter | None":
    """
    Send what this process measures, traces and logs to the server at *url*; return the exporter.

    What is not given comes from `VERISCOPE_URL`, `VERISCOPE_TOKEN`, `OTEL_SERVICE_NAME` and
    `OTEL_RESOURCE_ATTRIBUTES`. Without any URL the answer is None, and everything stays in
    memory. A second call replaces the former exporter after sending what it holds. *receivers*
    are kept for alerts (`current_settings`). Raises `InvalidInputError` for what cannot be used;
    then nothing has changed.
    """
    with _process.lock:
        found = url or os.environ.get("VERISCOPE_URL", "").strip() or None
        name = service_name or (options.service_name if options else "") or _service_name()
        exporter = _build(found, name, token, options) if found else None
        former, _process.exporter = _process.exporter, exporter
        _process.settings = Settings(exporter.url if exporter else None, name, receivers)
        _process.is_settled = True
        if not _process.waits_for_exit:
            _process.waits_for_exit = True
            atexit.register(_finish)
    if former is not None:
        former.shutdown(former.options.shutdown_timeout_s)
    return exporter


def suggest_service_name(name: str | None) -> None:
    """
    Take *name* for this process' service where nothing else names it; the first one counts.

    `setup_tracing`, `configure_logging` and the framework are told a name: metrics and records
    then come under the one that the spans have.
    """
    _process.suggested_name = _process.suggested_name or name or ""


def current() -> "Exporter | None":
    """
    Return the exporter of this process, None without a server; cheap enough for hot paths.

    The first call configures from the environment, unless `configure` was called; settings there
    that cannot be used are logged, and are as none.
    """
    if _process.is_settled:
        return _process.exporter
    return _settle()


def current_settings() -> Settings:
    """Return what was configured, if need be from the environment."""
    current()
    return _process.settings


def flush(timeout_s: float = 5.0) -> bool:
    """Send all that waits, for up to *timeout_s*; True where nothing is left or lost."""
    exporter = _process.exporter
    return exporter is None or exporter.flush(timeout_s)


def shutdown(timeout_s: float = 5.0) -> bool:
    """Send all that waits and stop sending for good; True where nothing is lost."""
    with _process.lock:
        exporter, _process.exporter = _process.exporter, None
        _process.is_settled = True
    return exporter is None or exporter.shutdown(timeout_s)


def _settle() -> "Exporter | None":
    with _process.lock:
        if not _process.is_settled:  # by another thread meanwhile
            if os.environ.get("VERISCOPE_URL", "").strip():
                _configure_or_tell()
            else:
                configure()
        return _process.exporter


def _configure_or_tell() -> None:
    # It loads NumPy, which a process without a server need not have.
    from veriscope.signals import InvalidInputError  # noqa: PLC0415

    try:
        configure()
    except InvalidInputError as error:
        _log.warning(f"nothing is sent to a server: {error}")
        _process.is_settled = True


def _build(url: str, name: str, token: str | None, options: "ExportOptions | None") -> "Exporter":
    # These load NumPy, OpenTelemetry and urllib3, which a process without a server never needs.
    import msgspec  # noqa: PLC0415

    from veriscope.instrument.delivery.exporter import Exporter  # noqa: PLC0415
    from veriscope.instrument.delivery.options import ExportOptions  # noqa: PLC0415

    options = options or ExportOptions(service_name=name)
    return Exporter(
        url,
        msgspec.structs.replace(options, service_name=name),
        token=token if token is not None else os.environ.get("VERISCOPE_TOKEN", "").strip(),
        attributes=_attributes(),
    )


def _attributes() -> dict[str, str]:
    """Read `OTEL_RESOURCE_ATTRIBUTES` (`key=value,…`, percent-encoded); skip what is no pair."""
    text = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs if key.strip()}


def _service_name() -> str:
    named = os.environ.get("OTEL_SERVICE_NAME", "").strip()
    return named or _attributes().get("service.name") or _process.suggested_name or _UNKNOWN_SERVICE


def _finish() -> None:
    exporter = _process.exporter
    if exporter is not None:
        exporter.shutdown(exporter.options.shutdown_timeout_s)
