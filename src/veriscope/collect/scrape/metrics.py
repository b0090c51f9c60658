"""What the scraper tells about itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_DURATION_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30)


class ScrapeMetrics:
    """The scraper's own metrics on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.targets = Gauge(
            "veriscope_scrape_targets", "Targets being scraped.", ["scrape_job"], registry=registry
        )
        self.scrapes = Counter(
            "veriscope_scrapes",
            "Scrapes by result: success or failure.",
            ["result"],
            registry=registry,
        )
        self.duration = Histogram(
            "veriscope_scrape_duration_seconds",
            "Time from request to parsed samples.",
            buckets=_DURATION_BUCKETS,
            registry=registry,
        )
        self.dropped_samples = Counter(
            "veriscope_scrape_dropped_samples",
            "Samples the sink did not take in time.",
            registry=registry,
        )
        self.duplicate_samples = Counter(
            "veriscope_scrape_duplicate_samples",
            "Samples left out because their series was there already in the same scrape.",
            registry=registry,
        )
        self.sink_errors = Counter(
            "veriscope_scrape_sink_errors",
            "Batches that the sink refused, retries included.",
            registry=registry,
        )
        self.discovery_failures = Counter(
            "veriscope_scrape_discovery_failures",
            "Discovery attempts that failed.",
            ["mechanism"],
            registry=registry,
        )
