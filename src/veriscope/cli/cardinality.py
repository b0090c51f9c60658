"""`veriscope cardinality`: which metrics, labels and values a server's series are made of."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from veriscope.signals import InvalidInputError, UnavailableError

_Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives its type no public name
_PATH: Final = "/api/v1/status/tsdb"
_TIMEOUT_S: Final = 120
_MOST: Final = 10_000
_RANKINGS: Final = (
    ("seriesCountByMetricName", "Series by metric", "series"),
    ("labelValueCountByLabelName", "Values by label", "values"),
    ("seriesCountByLabelValuePair", "Series by label and value", "series"),
    ("memoryInBytesByLabelName", "Bytes of values by label", "bytes"),
)


def add_command(commands: "_Commands[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    text = "Show which metrics, labels and values have most series on a server."
    parser = commands.add_parser("cardinality", help=text, description=text)
    parser.add_argument(
        "--server",
        metavar="URL",
        default="http://127.0.0.1:7070",
        help="the server (default: http://127.0.0.1:7070)",
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_count,
        default=10,
        help=f"names in each list, up to {_MOST} (default: 10)",
    )
    parser.add_argument(
        "--token-file", metavar="FILE", type=Path, help="file with the token of the server"
    )
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="how to show the lists"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if sys.stderr.isatty():
        print("counting the series ...", file=sys.stderr, flush=True)
    found = _ask(options.server.rstrip("/"), options.limit, options.token_file)
    if options.output == "json":
        print(json.dumps(found, indent=2))
    else:
        for line in _table(found):
            print(line)
    return 0


def _ask(server: str, limit: int, token_file: Path | None) -> dict[str, Any]:
    # Loaded here so that `veriscope --help` stays quick.
    import urllib3  # noqa: PLC0415

    headers = {} if token_file is None else {"Authorization": f"Bearer {_read(token_file)}"}
    try:
        answer = urllib3.request(
            "GET",
            server + _PATH,
            fields={"limit": str(limit)},
            headers=headers,
            timeout=_TIMEOUT_S,
            retries=False,
        )
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UnavailableError(f"no answer from {server}: {error}") from error
    text = answer.data.decode(errors="replace")
    try:
        found = json.loads(text)
    except ValueError:
        found = {}
    if not isinstance(found, dict) or found.get("status") != "success":
        reason = found.get("error", text.strip()) if isinstance(found, dict) else text
        raise UnavailableError(f"{server} answered {answer.status}: {reason[:500]}")
    data: dict[str, Any] = found["data"]
    return data


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"cannot read --token-file {path}: {error}") from error


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    head = found["headStats"]
    yield (
        f"{head['numSeries']:,} series with samples of late, "
        f"{head['numLabelPairs']:,} pairs of label and value"
    )
    for key, title, unit in _RANKINGS:
        rows: Sequence[Mapping[str, Any]] = found[key]
        yield ""
        yield f"{title}:"
        widths = [len(f"{row['value']:,}") for row in rows]
        for row in rows:
            share = _share(row["value"], head["numSeries"]) if unit == "series" else ""
            yield f"  {row['value']:>{max(widths)},} {unit}{share}  {row['name']}"


def _share(count: int, total: int) -> str:
    return f" {count / total:>4.0%}" if total else ""


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= _MOST:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {_MOST}")
    return value
