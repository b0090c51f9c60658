"""
Compile the server's loops over samples, which takes a minute once on a machine.

`python -m veriscope.app.warm_up` does so before a first start, and the server beside its work.
"""

import os
import sys
import threading
from typing import Final

CHILD: Final = "--child"
"""Tells the process that it belongs to the one that holds the other end of its input."""


def warm_up() -> None:
    """
    Compile every kernel, or load it from disk, where that takes half a second in all.

    Whoever needs one of them meanwhile waits for that one only.
    """
    from veriscope.query.promql.warm_up import warm_up as warm_up_queries  # noqa: PLC0415
    from veriscope.store.warming import warm_up as warm_up_store  # noqa: PLC0415
    from veriscope.wire.otlp.metrics.decoder import warm_up as warm_up_otlp  # noqa: PLC0415
    from veriscope.wire.remote_read import warm_up as warm_up_remote_read  # noqa: PLC0415

    # In the order in which a server that has just been set up is asked for them.
    for part in (warm_up_store, warm_up_queries, warm_up_otlp, warm_up_remote_read):
        part()


def _end_with_parent() -> None:
    """End this process once nobody holds the other end of its input, however that came."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    if CHILD in sys.argv:
        os.nice(19)
        threading.Thread(target=_end_with_parent, daemon=True).start()
    warm_up()
