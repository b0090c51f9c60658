"""Where samples as they are come from, for those who take them away."""

from typing import Protocol

from veriscope.signals import FetchLimits, RaggedSamples, RawFetch
from veriscope.web.prometheus.catalog import Catalog


class SeriesSource(Catalog, Protocol):
    """Knows which series exist and what their samples are. Calls block."""

    def fetch(self, fetch: RawFetch, limits: FetchLimits) -> RaggedSamples:
        """Return the samples of *fetch*, stale markers included."""
