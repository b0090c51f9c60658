"""Remote write as fast as it is accepted: samples/s, CPU, memory and bytes on disk per sample."""

import argparse
import json
import tempfile
import time
import urllib.parse
from pathlib import Path

import server_process
import write_load
from veriscope.store import Store, StoreOptions


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--bodies", type=int, default=600, help="one sample a series in each")
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    samples = options.series * options.bodies
    print(
        f"{options.bodies} bodies of {options.series:,} series, {options.connections} connections"
    )
    template = write_load.BodyTemplate(write_load.host_series(options.series))
    first_ms = (int(time.time()) - options.bodies * 10) * 1000
    readings = write_load.counters(options.series)
    bodies = [
        template.body(next(readings), first_ms + number * 10_000)
        for number in range(options.bodies)
    ]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with server_process.running("server", data) as server:
            write_load.post_all(server.host, server.port, bodies[:8], 8)
            server.wait_until_idle()
            before = server.cpu_seconds()
            done = write_load.post_all(server.host, server.port, bodies, options.connections)
            loaded = server.cpu_seconds()
            server.wait_until_idle()
            settled, peak = server.cpu_seconds(), server.memory_bytes("VmHWM")
            stored = _count(server, first_ms, options.bodies * 10)
        bytes_per_sample = _bytes_per_sample_after_merges(data)
    million = samples / 1e6
    print(f"accepted                 {done.accepted} bodies, refused {done.refused}")
    print(f"samples/s                {samples / done.seconds:,.0f}")
    print(f"CPU-s per million        {(loaded - before) / million:.2f} until acknowledged")
    print(f"CPU-s per million        {(settled - before) / million:.2f} until merges settled")
    print(f"peak RSS                 {peak / 2**20:,.0f} MiB")
    print(f"samples stored           {stored:,} of {samples:,}")
    print(f"bytes on disk per sample {bytes_per_sample:.2f} after merges")
    if stored != samples or done.refused:
        raise SystemExit("not every sample was stored once")


def _count(server: server_process.ServerProcess, first_ms: int, seconds: int) -> int:
    query = f'sum(count_over_time({{__name__=~"cpu_usage_.+"}}[{seconds}s]))'
    asked = urllib.parse.urlencode({"query": query, "time": first_ms / 1000 + seconds - 1})
    answer = json.loads(server.get(f"/api/v1/query?{asked}"))
    return int(answer["data"]["result"][0]["value"][1])


def _bytes_per_sample_after_merges(data: Path) -> float:
    store = Store.open(StoreOptions(url=f"chdb://{data / 'store'}"))
    try:
        store.compact()
        tables = {table.table: table for table in store.health().tables}
    finally:
        store.close()
    size = tables["samples"].bytes_on_disk + tables["series"].bytes_on_disk
    return size / tables["samples"].rows


if __name__ == "__main__":
    main()
