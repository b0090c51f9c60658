"""`python -m examples.truthgpt`: train or load the models, then serve them."""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

# One thread for each matrix product: the models are small, and the machine has other work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_DEFAULT_LISTEN: Final = "127.0.0.1:8101"


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = build_parser().parse_args(arguments)
    from examples.truthgpt.serving import Settings, serve  # noqa: PLC0415 - after the variable

    host, _, port = options.listen.rpartition(":")
    serve(
        Settings(
            host=host,
            port=int(port),
            directory=options.data,
            corpus=options.corpus,
            workers=options.workers,
            max_waiting=options.queue,
        )
    )
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.truthgpt", description=__doc__)
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default=_DEFAULT_LISTEN,
        help=f"address (default: {_DEFAULT_LISTEN}); port 0 takes a free one",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=Path("data/truthgpt"),
        help="where weights, logs and profiles are kept (default: ./data/truthgpt)",
    )
    parser.add_argument(
        "--corpus",
        metavar="FILE",
        type=Path,
        help="text to learn from (default: the repository's documents)",
    )
    parser.add_argument(
        "--workers", metavar="N", type=int, default=1, help="inference threads (default: 1)"
    )
    parser.add_argument(
        "--queue", metavar="N", type=int, default=32, help="prompts that may wait (default: 32)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
