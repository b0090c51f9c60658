"""`python -m examples.genrf`: design circuits for whoever asks over HTTP."""

import argparse
import os
import sys
from pathlib import Path

from examples.options import add_listen, positive

# One thread for each matrix product: the networks are small, and the machine has other work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    options = build_parser().parse_args(arguments)
    from examples.genrf.serving import Settings, serve  # noqa: PLC0415 - after the variable
    from veriscope.signals import UnavailableError  # noqa: PLC0415 - likewise

    settings = Settings(
        directory=options.data,
        address=options.listen,
        workers=options.workers,
        depth=options.queue,
        profile_every=options.profile_every,
    )
    try:
        serve(settings)
    except UnavailableError as error:
        print(f"genrf: {error}", file=sys.stderr)  # noqa: T201 - a command's last word
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.genrf", description=__doc__)
    add_listen(parser, "127.0.0.1:8102")
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=Path("data/genrf"),
        help="where designs, logs and profiles are kept (default: ./data/genrf)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=positive,
        default=2,
        help="generations at a time (default: 2)",
    )
    parser.add_argument(
        "--queue",
        metavar="N",
        type=positive,
        default=32,
        help="generations that may wait (default: 32)",
    )
    parser.add_argument(
        "--profile-every",
        metavar="N",
        type=int,
        default=25,
        help="profile one generation in N; 0 for none (default: 25)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
