"""The metrics of this process and of its store."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Metric, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from veriscope.signals import Clock, VeriscopeError

if TYPE_CHECKING:
    # An agent needs neither.
    from veriscope.query.promql.cache import AnswerCache
    from veriscope.query.promql.result import QueryResult
    from veriscope.store import HeadUse, StoreHealth

_MAX_AGE_S = 5.0


def create_registry(version: str) -> CollectorRegistry:
    """Return a registry that knows this process: CPU, memory, descriptors, garbage collection."""
    # One more series for each counter, which Prometheus users do not expect.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Constant("veriscope_build_info", "The running version.", version))
    return registry


class _Constant:
    def __init__(self, name: str, text: str, version: str) -> None:
        self._family = GaugeMetricFamily(name, text, labels=["version"])
        self._family.add_metric([version], 1)

    def collect(self) -> Iterator[Metric]:
        yield self._family


class StoreMetrics:
    """Sizes of the store's tables, asked again when older than five seconds."""

    def __init__(self, health: "Callable[[], StoreHealth]", clock: Clock) -> None:
        self._health = health
        self._clock = clock
        self._families: list[Metric] = []
        self._asked_s = -_MAX_AGE_S

    def collect(self) -> Iterator[Metric]:
        """Yield the families, among them `veriscope_store_up`."""
        now_s = self._clock.monotonic_s()
        if not self._families or now_s - self._asked_s >= _MAX_AGE_S:
            self._families, self._asked_s = self._read(), now_s
        yield from self._families

    def _read(self) -> list[Metric]:
        up = GaugeMetricFamily("veriscope_store_up", "Whether the store answers.", value=0)
        try:
            health = self._health()
        except VeriscopeError:
            return [up]
        up.samples[0] = up.samples[0]._replace(value=1)
        rows, parts, size = (
            GaugeMetricFamily(f"veriscope_store_{name}", text, labels=["table"])
            for name, text in (
                ("rows", "Rows of active parts."),
                ("parts", "Active parts."),
                ("bytes", "Bytes on disk of active parts."),
            )
        )
        for table in health.tables:
            rows.add_metric([table.table], table.rows)
            parts.add_metric([table.table], table.parts)
            size.add_metric([table.table], table.bytes_on_disk)
        memory = GaugeMetricFamily(
            "veriscope_engine_memory_bytes",
            "Memory that the storage engine tracks as its own.",
            value=health.memory_bytes,
        )
        return [up, rows, parts, size, memory]


class CacheMetrics:
    """What is kept in memory of samples and answers, and what was let go of it."""

    def __init__(
        self, head: "Callable[[], HeadUse | None]", answers: "AnswerCache[QueryResult]"
    ) -> None:
        self._head = head
        self._answers = answers

    def collect(self) -> Iterator[Metric]:
        """Yield the families; those of samples only where the store keeps any."""
        if (use := self._head()) is not None:
            requests = CounterMetricFamily(
                "veriscope_head_requests",
                "Metrics that queries looked for in memory, by what was there.",
                labels=["result"],
            )
            requests.add_metric(["hit"], use.hits)
            requests.add_metric(["miss"], use.misses)
            yield requests
            yield CounterMetricFamily(
                "veriscope_head_evictions",
                "Metrics that were let go from memory to make room.",
                value=use.evictions,
            )
            yield GaugeMetricFamily("veriscope_head_bytes", "Samples in memory.", value=use.nbytes)
        yield CounterMetricFamily(
            "veriscope_query_cache_evictions",
            "Answers that were dropped to make room.",
            value=self._answers.evictions,
        )
        yield GaugeMetricFamily(
            "veriscope_query_cache_bytes", "Answers that are kept.", value=self._answers.nbytes
        )
