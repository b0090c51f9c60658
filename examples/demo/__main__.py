"""`python -m examples.demo`: a server, two services and their users, until Ctrl-C."""

import argparse
import asyncio
import math
import signal
import sys
from pathlib import Path

from examples.demo.children import ChildError
from examples.demo.load import LoadOptions
from examples.demo.running import Demo, DemoOptions
from examples.faults import FAULTS


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    chosen = build_parser().parse_args(arguments)
    options = DemoOptions(
        data=chosen.data,
        listen=chosen.listen,
        truthgpt=chosen.truthgpt,
        genrf=chosen.genrf,
        services=tuple(chosen.services.split(",")),
        with_server=not chosen.no_server,
        faults=tuple(chosen.fault),
        load=LoadOptions(users=chosen.users, seed=chosen.seed),
    )
    try:
        return asyncio.run(_run(options, chosen.minutes * 60))
    except ChildError as error:
        _say(str(error))
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    add = parser.add_argument
    add(
        *("--fault", "-f"),
        action="append",
        default=[],
        choices=sorted(FAULTS),
        help="switch a fault on from the start; may be given several times",
    )
    add("--minutes", type=float, default=math.inf, help="end by itself (default: never)")
    add("--users", type=float, default=5.0, help="users present on average (default: 5)")
    add("--seed", type=int, default=0, help="of the users' behaviour (default: 0)")
    add(
        *("--data",),
        metavar="DIR",
        type=Path,
        default=Path("data/demo"),
        help="files and logs of every process (default: ./data/demo)",
    )
    add("--no-server", action="store_true", help="start the services and the load alone")
    add(
        *("--services",),
        default="truthgpt,genrf",
        type=_services,
        help="which services run (default: truthgpt,genrf)",
    )
    for name, default in (
        ("--listen", "127.0.0.1:7070"),
        ("--truthgpt", "127.0.0.1:8101"),
        ("--genrf", "127.0.0.1:8102"),
    ):
        add(
            name, metavar="HOST:PORT", default=default, help=f"default: {default}; 0 is a free port"
        )
    return parser


def _services(text: str) -> str:
    if not set(text.split(",")) <= {"truthgpt", "genrf"}:
        raise argparse.ArgumentTypeError("choose of truthgpt,genrf")
    return text


async def _run(options: DemoOptions, seconds: float) -> int:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    starting = asyncio.current_task()

    def end() -> None:
        # A second signal, or one before everything has started, ends the waiting itself.
        if started and not stop.is_set():
            stop.set()
        elif starting is not None:
            starting.cancel()

    started = False
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    demo = Demo(options, _say)
    try:
        async with demo:
            started = True
            _say("Ctrl-C ends it")
            await demo.drive(seconds, stop)
            _say(f"stopping; the load's own count is in {options.data / 'load.json'}")
    except asyncio.CancelledError:
        _say("ended")
        return 0 if started else 1
    return 1 if demo.children.failed.is_set() else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is a program for a terminal


if __name__ == "__main__":
    sys.exit(main())
