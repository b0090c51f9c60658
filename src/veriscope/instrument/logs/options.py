"""What can be chosen about logging."""

import logging
from pathlib import Path
from typing import Final, Literal

import msgspec
import re2

from veriscope.signals import require_at_least

SECRET_KEYS: Final = (
    "access_key",
    "api_key",
    "apikey",
    "authorization",
    "client_secret",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "password_hash",
    "private_key",
    "pwd",
    "secret",
    "secret_key",
    "token",
)
"""Words that make the value of a field a secret, where the field's name ends with one."""


class LoggingOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a process logs."""

    level: str = "INFO"
    """Least level recorded: `DEBUG`, `INFO`, `WARN`, `ERROR` or `CRITICAL`."""
    directory: str | Path = "."
    """Where the log files are; made when it is missing."""
    console: Literal["auto", "json", "console", "off"] = "auto"
    """What standard error shows; `auto` is `console` on a terminal and `json` elsewhere."""
    max_bytes: int = 10_485_760
    """Size at which a log file is moved aside; `0` never moves it."""
    backups: int = 5
    """Files moved aside that are kept: `<service>.log.1` is the newest."""
    file_mode: int = 0o644
    """Permissions of a new `<service>.log`, less the process' umask."""
    security_file_mode: int = 0o600
    """Permissions of a new `<service>-security.log`, less the process' umask."""
    capture_root: bool = True
    """Whether records of loggers outside `<service>` are taken too."""
    rate_limit: float = 200.0
    """Records a second of one logger and level below `ERROR`; `0` sets no limit."""
    error_rate_limit: float = 1000.0
    """Records a second of one logger and level from `ERROR` up; `0` sets no limit."""
    redact: tuple[str, ...] = SECRET_KEYS
    """Words that make the value of a field a secret, where the field's name ends with one."""
    redact_patterns: tuple[str, ...] = ()
    """RE2 patterns of secrets in text, besides those that are always replaced."""
    max_value_chars: int = 8192
    """Characters of one text; the rest is cut off and its length told."""
    max_record_bytes: int = 65_536
    """Size of one record in the file."""
    max_depth: int = 6
    """Levels of nested fields; deeper ones are shown as their type."""
    ship: bool = True
    """Whether records also go to the server, once `veriscope.configure` has one."""

    def __post_init__(self) -> None:
        if self.level.upper() not in logging.getLevelNamesMapping():
            raise ValueError(
                f"level is {self.level!r}; it must be DEBUG, INFO, WARN, ERROR or CRITICAL"
            )
        if self.console not in {"auto", "json", "console", "off"}:
            raise ValueError(f"console is {self.console!r}; it must be auto, json, console or off")
        require_at_least(self, 0, "max_bytes", "rate_limit", "error_rate_limit")
        require_at_least(self, 1, "backups", "max_depth")
        require_at_least(self, 64, "max_value_chars")
        require_at_least(self, 1024, "max_record_bytes")
        for pattern in self.redact_patterns:
            try:
                re2.compile(pattern)
            except re2.error as error:
                raise ValueError(f"redact_patterns: {pattern!r} is not RE2: {error}") from error

    @property
    def levelno(self) -> int:
        """The number that the standard library has for `level`."""
        return logging.getLevelNamesMapping()[self.level.upper()]
