"""Where targets come from: lists in the configuration, files, and HTTP endpoints."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import msgspec
import yaml

from veriscope.collect.scrape.client import HttpClient
from veriscope.collect.scrape.config import (
    DEFAULT_BODY_SIZE_LIMIT,
    FileSdConfig,
    HttpSdConfig,
    ScrapeConfig,
    TargetGroup,
)
from veriscope.collect.scrape.metrics import ScrapeMetrics
from veriscope.collect.scrape.target import ADDRESS
from veriscope.signals import InvalidInputError, VeriscopeError
from veriscope.signals.log import get_log

_log = get_log(__name__)

Found: TypeAlias = tuple[dict[str, str], ...]
"""The label sets of all targets that one discoverer sees at present."""

Update: TypeAlias = Callable[[Found], Awaitable[None]]
"""Takes what a discoverer sees, in place of what it saw before."""

_FILE_WATCH_S: Final = 1.0
_HTTP_TIMEOUT_S: Final = 30.0


class Discoverer(Protocol):
    """Finds targets."""

    async def run(self, update: Update) -> None:
        """Report all targets now and after each change, until cancelled."""


def create_discoverers(config: ScrapeConfig, metrics: ScrapeMetrics) -> tuple[Discoverer, ...]:
    """Return the discoverers that *config* names."""
    return (
        StaticDiscoverer(config.static_configs),
        *(FileDiscoverer(item, metrics) for item in config.file_sd_configs),
        *(HttpDiscoverer(item, metrics) for item in config.http_sd_configs),
    )


class StaticDiscoverer:
    """Reports the targets of the configuration, once."""

    def __init__(self, groups: Sequence[TargetGroup]) -> None:
        self._groups = groups

    async def run(self, update: Update) -> None:
        """Report the list."""
        await update(_flatten(self._groups, {}))


class FileDiscoverer:
    """Watches files; a file that cannot be read keeps the targets that it had."""

    def __init__(self, config: FileSdConfig, metrics: ScrapeMetrics) -> None:
        self._config = config
        self._metrics = metrics
        self._known: dict[Path, Found] = {}

    async def run(self, update: Update) -> None:
        """Look at the files each second, and read them when they change or time has come."""
        seen: object = None
        waited_s = 0.0
        while True:
            stamps = await asyncio.to_thread(self._stamps)
            if stamps != seen or waited_s >= self._config.refresh_interval.seconds:
                seen, waited_s = stamps, 0.0
                self._known = await asyncio.to_thread(self._read_all, list(stamps))
                await update(tuple(item for found in self._known.values() for item in found))
            await asyncio.sleep(_FILE_WATCH_S)
            waited_s += _FILE_WATCH_S

    def _stamps(self) -> dict[Path, tuple[int, int, int]]:
        stamps = {}
        for pattern in self._config.files:
            path = Path(pattern)
            for match in sorted(path.parent.glob(path.name)) if "*" in path.name else [path]:
                try:
                    state = match.stat()
                except FileNotFoundError:
                    continue  # it has no targets until it appears
                except OSError:
                    stamps[match] = (0, 0, 0)  # reading it will tell what is wrong
                else:
                    stamps[match] = (state.st_mtime_ns, state.st_size, state.st_ino)
        return stamps

    def _read_all(self, paths: list[Path]) -> dict[Path, Found]:
        found = {}
        for path in paths:
            try:
                groups = _decode_file(path)
            except (OSError, ValueError, yaml.YAMLError, msgspec.MsgspecError) as error:
                self._metrics.discovery_failures.labels("file").inc()
                _log.warning("targets file not read", path=str(path), error=str(error))
                found[path] = self._known.get(path, ())
            else:
                found[path] = _flatten(groups, {"__meta_filepath": str(path)})
        return found


def _decode_file(path: Path) -> tuple[TargetGroup, ...]:
    # BaseLoader leaves every scalar a string, which is what addresses and label values are.
    data = yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)  # noqa: S506 BaseLoader is safe
    return msgspec.convert(data or [], tuple[TargetGroup, ...])


class HttpDiscoverer:
    """Asks an HTTP endpoint; while it fails, the targets stay as they were."""

    def __init__(self, config: HttpSdConfig, metrics: ScrapeMetrics) -> None:
        self._config = config
        self._metrics = metrics

    async def run(self, update: Update) -> None:
        """Ask again and again."""
        client = HttpClient(self._config)
        try:
            while True:
                try:
                    found = await self._ask(client)
                except (VeriscopeError, TimeoutError, msgspec.MsgspecError) as error:
                    self._metrics.discovery_failures.labels("http").inc()
                    _log.warning("targets not discovered", url=self._config.url, error=str(error))
                else:
                    await update(found)
                await asyncio.sleep(self._config.refresh_interval.seconds)
        finally:
            await client.close()

    async def _ask(self, client: HttpClient) -> Found:
        headers = {
            "Accept": "application/json",
            "User-Agent": "Veriscope",
            "X-Prometheus-Refresh-Interval-Seconds": f"{self._config.refresh_interval.seconds:g}",
        }
        async with asyncio.timeout(_HTTP_TIMEOUT_S):
            answer = await client.get(self._config.url, headers, limit=DEFAULT_BODY_SIZE_LIMIT)
        if answer.content_type.partition(";")[0].strip().lower() != "application/json":
            raise InvalidInputError(f"content type {answer.content_type!r} is not application/json")
        groups = msgspec.json.decode(answer.body, type=tuple[TargetGroup, ...])
        return _flatten(groups, {"__meta_url": self._config.url})


def _flatten(groups: Sequence[TargetGroup], meta: dict[str, Any]) -> Found:
    return tuple(
        {**group.labels, **meta, ADDRESS: address} for group in groups for address in group.targets
    )
