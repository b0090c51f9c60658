"""Writes every dashboard to its file."""

import sys
from pathlib import Path

from deploy.grafana import DASHBOARDS
from deploy.grafana.board import to_json


def main() -> None:
    """Write the dashboards into the folder that is given, by default the one of this package."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("dashboards")
    folder.mkdir(parents=True, exist_ok=True)
    for uid, describe in DASHBOARDS.items():
        (folder / f"{uid}.json").write_text(to_json(uid, describe()), encoding="utf-8")


main()
