"""`veriscope agent`."""

import argparse
import os
from pathlib import Path

_Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives its type no public name


def add_command(commands: "_Commands[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    text = "Collect this machine and send to a server; keep data on disk while it is away."
    parser = commands.add_parser("agent", help=text, description=text)
    parser.add_argument(
        "--server", metavar="URL", required=True, help="the server: http://HOST:PORT"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="configuration file (YAML); see docs/configuration.md",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=Path("data"),
        help="where samples wait while the server is away (default: ./data)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Loaded here so that `veriscope --help` stays quick.
    import uvloop  # noqa: PLC0415

    from veriscope import __version__  # noqa: PLC0415
    from veriscope.app import Agent, Config, configure_logs, load_config  # noqa: PLC0415
    from veriscope.signals import SystemClock  # noqa: PLC0415

    config = load_config(options.config, environment=os.environ) if options.config else Config()
    configure_logs(config.log)

    async def run() -> int:
        agent = Agent(
            config, options.server, options.data, version=__version__, clock=SystemClock()
        )
        return await agent.run(lambda url: print(f"Veriscope agent sends to {url}", flush=True))

    return uvloop.run(run())
