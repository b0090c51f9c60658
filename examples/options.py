"""Options that every example service takes."""

import argparse
import re


def add_listen(parser: argparse.ArgumentParser, default: str) -> None:
    """Add `--listen HOST:PORT`, read as a host and a port."""
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=to_address,
        default=to_address(default),
        help=f"address (default: {default}); port 0 takes a free one",
    )


def to_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`; raises `argparse.ArgumentTypeError`, which argparse shows as its error."""
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 0xFFFF:  # noqa: PLR2004 - 16 bits
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT; write 127.0.0.1:8100")
    return host, int(port)


def positive(text: str) -> int:
    """Read a whole number from 1 to 9999; raises `argparse.ArgumentTypeError`."""
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 9999")
    return int(text)
