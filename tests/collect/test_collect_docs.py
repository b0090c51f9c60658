from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from veriscope.collect.gpu import GpuOptions
from veriscope.collect.gpu.meters import INFO, METERS
from veriscope.collect.gpu.processes import PROCESS_MEMORY
from veriscope.collect.host import HostCollector, HostOptions
from veriscope.collect.loop import CollectLoop
from veriscope.signals import SampleBatch, SystemClock, decode_unit

DOCUMENT = (Path(__file__).parents[2] / "docs" / "host-metrics.md").read_text()


def test_every_host_metric_is_documented() -> None:
    """What the collector gives on this machine is explained in the documentation."""
    batch = HostCollector(HostOptions(), SystemClock()).collect(1)
    names = {metadata.name for metadata in batch.metadata}
    missing = [
        name
        for name in names
        if not name.startswith("node_memory_") and f"`{name}`" not in DOCUMENT
    ]
    assert missing == []


def test_every_gpu_metric_is_documented() -> None:
    """What a GPU can give is explained in the documentation."""
    described = {metadata for meter in METERS for metadata, _ in meter.gives}
    for metadata in described | {INFO, PROCESS_MEMORY}:
        assert f"`{metadata.name}`" in DOCUMENT
        assert metadata.help in DOCUMENT


def test_every_metric_of_the_loop_is_documented() -> None:
    """What the loop says of itself is explained in the documentation."""

    async def discard(_batch: SampleBatch) -> None:
        """Take nothing."""

    registry = CollectorRegistry()
    CollectLoop([], discard, 1000, SystemClock(), registry, ())
    for family in registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        assert f"`{family.name}{suffix}`" in DOCUMENT


@pytest.mark.parametrize("options", [HostOptions(), GpuOptions()])
def test_every_option_is_documented_with_its_default(options: HostOptions | GpuOptions) -> None:
    """An option's name and default are found in the documentation."""
    for name in options.__struct_fields__:
        value = getattr(options, name)
        shown = str(value).lower() if isinstance(value, bool) else str(value).replace("|", "\\|")
        assert f"| `{name}` | `{shown}` |" in DOCUMENT


@pytest.mark.parametrize("kind", [HostOptions, GpuOptions])
def test_options_are_read_as_configuration_spells_them(
    kind: type[HostOptions] | type[GpuOptions],
) -> None:
    """Durations are written with units; a cadence of 0 and an unknown key are refused."""
    read = msgspec.convert({"retry": "90s", "process_every": 2}, kind, dec_hook=decode_unit)
    assert (read.retry.seconds, read.process_every) == (90, 2)
    for wrong in ({"process_every": 0}, {"top_process": 3}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, kind, dec_hook=decode_unit)
