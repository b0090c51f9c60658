"""`python -m examples.truthgpt`: train or load the models, then serve them."""

import argparse
import os
import sys
from pathlib import Path

from examples.options import add_listen, positive

# One thread for each matrix product: the models are small, and the machine has other work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = build_parser().parse_args(arguments)
    from examples.truthgpt.serving import Settings, serve  # noqa: PLC0415 - after the variable
    from veriscope.signals import InvalidInputError, UnavailableError  # noqa: PLC0415 - likewise

    settings = Settings(
        address=options.listen,
        directory=options.data,
        corpus=options.corpus,
        workers=options.workers,
        max_waiting=options.queue,
    )
    try:
        serve(settings)
    except (InvalidInputError, UnavailableError) as error:
        print(f"truthgpt: {error}", file=sys.stderr)  # noqa: T201 - a command's last word
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.truthgpt", description=__doc__)
    add_listen(parser, "127.0.0.1:8101")
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
        "--workers", metavar="N", type=positive, default=1, help="inference threads (default: 1)"
    )
    parser.add_argument(
        "--queue",
        metavar="N",
        type=positive,
        default=32,
        help="prompts that may wait (default: 32)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
