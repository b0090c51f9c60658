"""Reading the configuration again."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from veriscope.app import reload
from veriscope.app.reload import Reloader
from veriscope.signals import InvalidInputError, ManualClock


class Configuration:
    """A file, and what was made of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.read: list[str] = []
        self.registry = CollectorRegistry()
        self.clock = ManualClock(1_000)
        file.write_text("first")

    async def load(self) -> None:
        """Take the file's text, unless it is bad."""
        text = self.file.read_text()
        if text == "bad":
            raise InvalidInputError("line 1 is bad")
        self.read.append(text)

    def reloader(self) -> Reloader:
        """Return what reloads it."""
        return Reloader(
            self.load,
            lambda: [str(self.file.with_name("*.yml"))],
            clock=self.clock,
            registry=self.registry,
        )

    def successful(self) -> float | None:
        """Return the gauge."""
        return self.registry.get_sample_value("veriscope_config_last_reload_successful")


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """Return a file that is looked at often."""
    monkeypatch.setattr(reload, "_LOOK_EVERY_S", 0.01)
    return Configuration(tmp_path / "veriscope.yml")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - files set no events
            await asyncio.sleep(0.005)


async def test_a_changed_file_is_read_again(configuration: Configuration) -> None:
    """Nobody needs to tell the server; a file that stays is not read again."""
    reloader, stop = configuration.reloader(), asyncio.Event()
    running = asyncio.create_task(reloader.run(stop))
    configuration.file.write_text("second one")
    await _until(lambda: configuration.read == ["second one"])
    configuration.file.with_name("rules.yml").write_text("a file that is new")
    await _until(lambda: configuration.read == ["second one"] * 2)
    await asyncio.sleep(0.1)
    assert configuration.read == ["second one"] * 2
    stop.set()
    await running


async def test_a_bad_file_is_named_and_changes_nothing(configuration: Configuration) -> None:
    """The reason is kept until a reload succeeds; the time is that of what is in use."""
    reloader = configuration.reloader()
    configuration.file.write_text("bad")
    configuration.clock.advance(ms=1_000)
    with pytest.raises(InvalidInputError, match="line 1 is bad"):
        await reloader.reload()
    assert (reloader.error, reloader.loaded_ms) == ("line 1 is bad", 1_000)
    assert configuration.successful() == 0
    configuration.file.write_text("good")
    await reloader.reload()
    assert (reloader.error, reloader.loaded_ms) == ("", 2_000)
    assert configuration.successful() == 1


async def test_sighup_reloads(configuration: Configuration) -> None:
    """As in Prometheus and Alertmanager, also where no file has changed."""
    reloader, stop = configuration.reloader(), asyncio.Event()
    running = asyncio.create_task(reloader.run(stop))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGHUP)
    await _until(lambda: configuration.read == ["first"])
    stop.set()
    await running


async def test_a_change_while_it_is_read_is_not_missed(configuration: Configuration) -> None:
    """What was written after the file had been read is read by the next look."""

    async def slow_load() -> None:
        await configuration.load()
        if len(configuration.read) == 1:
            configuration.file.write_text("written meanwhile")

    reloader = Reloader(
        slow_load,
        lambda: [str(configuration.file)],
        clock=configuration.clock,
        registry=configuration.registry,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(reloader.run(stop))
    configuration.file.write_text("second")
    await _until(lambda: configuration.read[-1:] == ["written meanwhile"])
    stop.set()
    await running


async def test_a_fault_in_reading_does_not_end_the_watch(configuration: Configuration) -> None:
    """What nobody foresaw fails this reload; the next one is as good as any."""

    async def load() -> None:
        await configuration.load()
        if configuration.read[-1] == "odd":
            raise ZeroDivisionError

    reloader = Reloader(
        load,
        lambda: [str(configuration.file)],
        clock=configuration.clock,
        registry=configuration.registry,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(reloader.run(stop))
    configuration.file.write_text("odd")
    await _until(lambda: "ZeroDivisionError" in reloader.error)
    assert configuration.successful() == 0
    configuration.file.write_text("mended")
    await _until(lambda: configuration.successful() == 1)
    assert configuration.read[-1] == "mended"
    stop.set()
    await running
