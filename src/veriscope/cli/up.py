"""`veriscope up` and `veriscope server`."""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from veriscope.app import Config

_Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives its type no public name


def add_commands(commands: "_Commands[argparse.ArgumentParser]") -> None:
    """Add both commands to the parser."""
    for name, collect, text in (
        ("up", True, "Start the server and collect the metrics of this machine."),
        ("server", False, "Start the server alone: it stores what others send, and answers."),
    ):
        parser = commands.add_parser(name, help=text, description=text)
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
            help="where the embedded store keeps its files (default: ./data)",
        )
        parser.add_argument(
            "--listen",
            metavar="HOST:PORT",
            help="address of the page and of every API (default: 127.0.0.1:7070)",
        )
        parser.add_argument(
            "--store",
            metavar="URL",
            help="keep the data in a ClickHouse server instead: clickhouse://user:password@host:port",
        )
        parser.set_defaults(run=_serve, collect=collect)


def _serve(options: argparse.Namespace) -> int:
    # Loaded here so that `veriscope --help` and the light commands need no engine.
    from veriscope.app.tuning import (  # noqa: PLC0415
        limit_allocator,
        never_fork_grpc,
        relax_collector,
    )

    # Before what they are about is loaded.
    limit_allocator()
    never_fork_grpc()

    import uvloop  # noqa: PLC0415

    from veriscope import __version__  # noqa: PLC0415
    from veriscope.app import ConfigSource, Server, configure_logs  # noqa: PLC0415
    from veriscope.signals import SystemClock  # noqa: PLC0415

    config = _configured(options)
    configure_logs(config.log)

    async def serve() -> int:
        server = Server(
            config,
            options.data,
            version=__version__,
            collect=options.collect,
            clock=SystemClock(),
            source=ConfigSource(options.config, partial(_configured, options)),
        )
        relax_collector()
        return await server.run(lambda url: print(f"Veriscope is at {url}", flush=True))

    return uvloop.run(serve())


def _configured(options: argparse.Namespace) -> "Config":
    """Return the file's configuration, with what the command line says instead of it."""
    import msgspec  # noqa: PLC0415

    from veriscope.app import Config, load_config  # noqa: PLC0415

    config = load_config(options.config, environment=os.environ) if options.config else Config()
    if options.listen:
        server = msgspec.structs.replace(config.server, listen=options.listen)
        config = msgspec.structs.replace(config, server=server)
    if options.store:
        store = msgspec.structs.replace(config.store, url=options.store)
        config = msgspec.structs.replace(config, store=store)
    return config
