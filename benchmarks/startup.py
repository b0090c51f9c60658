"""Seconds from a command to a page that serves, and to live data: first start and later ones."""

import argparse
import json
import tempfile
import time
from pathlib import Path

import server_process


def main() -> None:
    """Start `veriscope up` several times on one data directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.starts):
            with server_process.running("up", Path(folder)) as server:
                live = _seconds_to_live_data(server)
                kind = "first" if number == 0 else "later"
                print(
                    f"{kind} start: serving after {server.started_s:.2f} s,"
                    f" live data {live:.2f} s after that"
                )


def _seconds_to_live_data(server: server_process.ServerProcess) -> float:
    begun, started_s = time.monotonic(), time.time()
    while True:
        answer = json.loads(server.get("/api/v1/query?query=timestamp(node_load1)"))
        result = answer["data"]["result"]
        if result and float(result[0]["value"][1]) >= started_s:
            return time.monotonic() - begun
        time.sleep(0.05)


if __name__ == "__main__":
    main()
