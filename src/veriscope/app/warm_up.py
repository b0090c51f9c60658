"""Compile the server's loops over samples, which takes a minute once on a machine."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

import structlog

_log = structlog.get_logger(__name__)


def warm_up(stopping: Callable[[], bool] = lambda: False) -> None:
    """
    Compile every kernel, or load it from disk, where that takes a second in all.

    Whoever needs one of them meanwhile waits for that one only. Ends early once *stopping*.
    """
    from veriscope.query.promql.warm_up import warm_up as warm_up_queries  # noqa: PLC0415
    from veriscope.store.warming import warm_up as warm_up_store  # noqa: PLC0415
    from veriscope.wire.otlp.metrics.decoder import warm_up as warm_up_otlp  # noqa: PLC0415

    began = perf_counter()
    for part in (warm_up_store, partial(warm_up_queries, stopping), warm_up_otlp):
        if stopping():
            return
        part()
    _log.debug("kernels_ready", seconds=round(perf_counter() - began, 1))


if __name__ == "__main__":
    warm_up()
