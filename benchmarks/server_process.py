"""A Veriscope process to measure: started, watched through /proc, stopped."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ADDRESS: Final = re.compile(r"http://(127\.0\.0\.1):(\d+)")


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server and where it listens."""

    process: subprocess.Popen[str]
    host: str
    port: int
    started_s: float
    """Seconds from the start of the process to the line that says where the page is."""

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{self.host}:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the user and system time that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_bytes(self, field: str = "VmRSS") -> int:
        """Return resident memory now, or at its peak with `VmHWM`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) * 1024 if found else 0

    def get(self, path: str) -> bytes:
        """Return the body at *path*."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return bytes(answer.read())

    def wait_until_idle(self, share: float = 0.1, patience_s: float = 60) -> None:
        """Wait until the process uses less than *share* of a core: merges have settled."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            before = self.cpu_seconds()
            time.sleep(1)
            if self.cpu_seconds() - before < share:
                return


@contextmanager
def running(command: str, data: Path, *options: str) -> Iterator[ServerProcess]:
    """Run `veriscope COMMAND` on *data* and a free port; stop it with SIGTERM at the end."""
    arguments = [sys.executable, "-m", "veriscope", command, "--data", str(data)]
    begun = time.monotonic()
    process = subprocess.Popen(
        [*arguments, "--listen", "127.0.0.1:0", *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        address = _ADDRESS.search(process.stdout.readline())
        if address is None:
            raise SystemExit("the server did not start")
        yield ServerProcess(process, address[1], int(address[2]), time.monotonic() - begun)
    finally:
        process.terminate()
        process.wait(30)
