"""The Prometheus scrape loop: discovery, relabelling, scraping and staleness."""

from veriscope.collect.scrape.config import (
    FileSdConfig,
    GlobalConfig,
    HttpSdConfig,
    ScrapeConfig,
    TargetGroup,
    resolve_paths,
)
from veriscope.collect.scrape.http_config import (
    Authorization,
    BasicAuth,
    HttpClientConfig,
    HttpHeader,
    TlsConfig,
    TlsVersion,
)
from veriscope.collect.scrape.job import build_jobs
from veriscope.collect.scrape.relabel import RelabelAction, RelabelConfig, Relabeller
from veriscope.collect.scrape.scraper import Scraper
from veriscope.collect.scrape.target import (
    ActiveTarget,
    DroppedTarget,
    Health,
    TargetsSnapshot,
)

__all__ = [
    "ActiveTarget",
    "Authorization",
    "BasicAuth",
    "DroppedTarget",
    "FileSdConfig",
    "GlobalConfig",
    "Health",
    "HttpClientConfig",
    "HttpHeader",
    "HttpSdConfig",
    "RelabelAction",
    "RelabelConfig",
    "Relabeller",
    "ScrapeConfig",
    "Scraper",
    "TargetGroup",
    "TargetsSnapshot",
    "TlsConfig",
    "TlsVersion",
    "build_jobs",
    "resolve_paths",
]
