"""A store with an hour in which something goes wrong."""

from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from tests.insight.evidence.outage import NOW_MS, Bench, write
from veriscope.insight.evidence import EvidenceGatherer, EvidenceSources
from veriscope.query import QueryOptions
from veriscope.query.promql import PromqlEngine
from veriscope.signals import ManualClock
from veriscope.store import Store


@pytest.fixture
def bench(store: Store) -> Iterator[Bench]:
    """Return a gatherer on an empty store."""
    clock = ManualClock(NOW_MS)
    engine = PromqlEngine(store.series, QueryOptions(), clock, CollectorRegistry())
    sources = EvidenceSources(engine, store.log_search, store.span_search, store.events)
    gatherer = EvidenceGatherer(sources, external_url="http://x", clock=clock)
    yield Bench(store, gatherer, engine)
    gatherer.close()


@pytest.fixture
def failing(bench: Bench) -> Bench:
    """Return it with a service whose answers fail since five minutes before now."""
    steps = np.arange(361)  # a sample each 15 s
    late = np.clip(steps - 340, 0, None)
    for code, values in (("200", steps * 150.0), ("500", late * 30.0)):
        write(bench.store, values, __name__="answers_total", code=code, job="chat", instance="a:1")
    chance = np.random.default_rng(1)
    noise = chance.normal(0, 0.05, 361)
    temperature = 50 + noise + np.where(late > 0, 30, 0)
    write(bench.store, temperature, __name__="chip_celsius", job="chat", instance="a:1")
    for number in range(8):
        quiet = 5 + chance.normal(0, 1, 361)
        write(bench.store, quiet, __name__=f"calm_{number}", job="chat", instance="a:1")
    write(bench.store, 50 + noise + late, __name__="elsewhere", job="other", instance="b:1")
    return bench
