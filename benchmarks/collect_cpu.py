"""
Measure what collecting this machine costs: CPU of one core, resident memory, series.

A fresh process runs nothing but the collect loop with the host and GPU collectors and a sink
that discards; this process reads its figures from outside, so that measuring is not measured.
With `--agent` it is a whole `veriscope agent`, sending to a `veriscope server` on this machine.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import structlog
from prometheus_client import CollectorRegistry

from server_process import running
from veriscope.collect.gpu import GpuCollector, GpuOptions
from veriscope.collect.host import HostCollector, HostOptions
from veriscope.collect.loop import CollectLoop
from veriscope.signals import SampleBatch, SystemClock, to_labels


async def collect(interval_ms: int) -> None:
    """Collect until killed; the first batches' series counts are printed as `series N`."""
    clock = SystemClock()
    announced: set[str] = set()

    async def discard(batch: SampleBatch) -> None:
        collector = dict(batch.labels[-1]).get("collector", "")
        if collector not in announced:
            announced.add(collector)
            print(f"series {len(batch)}", flush=True)

    loop = CollectLoop(
        [HostCollector(HostOptions(), clock), GpuCollector(GpuOptions(), clock)],
        discard,
        interval_ms=interval_ms,
        clock=clock,
        registry=CollectorRegistry(),
        external_labels=to_labels({"job": "veriscope", "instance": "benchmark"}),
    )
    await loop.run(asyncio.Event())


def measure(seconds: float, interval_ms: int, warm_up_s: float) -> None:
    """Start the collecting process, wait, and print what it used."""
    command = [sys.executable, __file__, "--child", "--interval-ms", str(interval_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        if child.stdout is None:
            raise SystemExit("the collecting process has no output")
        series = sum(int(child.stdout.readline().split()[-1]) for _ in range(2))
        report(child, seconds, interval_ms, warm_up_s)
        child.terminate()
    print(f"series            {series}")


def measure_agent(seconds: float, interval_ms: int, warm_up_s: float) -> None:
    """Start a server and an agent, wait, and print what the agent used."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running("server", Path(folder) / "server") as server,
    ):
        config = Path(folder) / "agent.yml"
        config.write_text(f"collect: {{interval: {interval_ms}ms}}\n")
        command = [sys.executable, "-m", "veriscope", "agent", "--server", server.url]
        command += ["--config", str(config), "--data", str(Path(folder) / "agent")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
            if agent.stdout is None or not agent.stdout.readline():
                raise SystemExit("the agent did not start")
            report(agent, seconds, interval_ms, warm_up_s)
            agent.terminate()


def report(
    child: subprocess.Popen[str], seconds: float, interval_ms: int, warm_up_s: float
) -> None:
    """Print what *child* uses during *seconds*, after *warm_up_s*."""
    process = psutil.Process(child.pid)
    time.sleep(warm_up_s)
    before, begun = process.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after, elapsed = process.cpu_times(), time.monotonic() - begun
    used = after.user + after.system - before.user - before.system
    print(f"interval          {interval_ms} ms, measured over {elapsed:.0f} s")
    print(f"CPU of one core   {100 * used / elapsed:.2f} %")
    print(f"resident memory   {process.memory_info().rss / 2**20:.1f} MB")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=3)
    parser.add_argument("--interval-ms", type=int, default=1000)
    parser.add_argument("--agent", action="store_true", help="measure a whole agent")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        asyncio.run(collect(options.interval_ms))
    elif options.agent:
        measure_agent(options.seconds, options.interval_ms, options.warm_up)
    else:
        measure(options.seconds, options.interval_ms, options.warm_up)


if __name__ == "__main__":
    main()
