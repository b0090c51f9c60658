import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "health_check.sh"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
WORDS = {"busybox": ["busybox", "sh"]}

GNU_DF = """Filesystem     1024-blocks      Used Available Capacity Mounted on
/dev/sda1        102400000  95232000   7168000      93% /
"""
WRAPPED_DF = """Filesystem           1K-blocks      Used Available Use% Mounted on
/dev/mapper/a-very-long-volume-group-name-root
                     102400000  95232000   7168000  93% /
"""
SPACED_DF = """Filesystem     1024-blocks      Used Available Capacity Mounted on
//server/my share  102400000  95232000   7168000      93% /mnt/my share 50%
"""
NEW_FREE = """               total        used        free      shared  buff/cache   available
Mem:            1000         300         100          10         600          {available}
Swap:              0           0           0
"""
OLD_FREE = """             total       used       free     shared    buffers     cached
Mem:          1000        950         50          0        100        {cached}
-/+ buffers/cache:        350        650
Swap:            0          0          0
"""
BUSYBOX_OLD_FREE = """              total         used         free       shared      buffers
  Mem:         1000          950           50            0          100
 Swap:            0            0            0
Total:         1000          950           50
"""
MEMINFO = "MemTotal: 1000 kB\nMemFree: 20 kB\nMemAvailable: {available} kB\nBuffers: 10 kB\n"
OLD_MEMINFO = "MemTotal: 1000 kB\nMemFree: 20 kB\nBuffers: 10 kB\nCached: 30 kB\nShmem: 5 kB\n"

Run = Callable[..., tuple[int, str]]
Fake = Callable[..., None]


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run the script in each shell that is here; the test's own programs come first."""

    def run(*options: str, **environment: str) -> tuple[int, str]:
        done = subprocess.run(
            [*WORDS.get(request.param, [request.param]), SCRIPT, *options],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", **environment},
            timeout=30,
        )
        return done.returncode, done.stdout.strip()

    return run


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Put a program in front of the machine's own, which prints a text or is a script."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def fake(name: str, text: str = "", script: str = "") -> None:
        output = tmp_path / f"{name}.txt"
        output.write_text(text)
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script or f'cat {output}'}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    return fake


def test_the_machine_itself_passes(run: Run) -> None:
    """For real, with thresholds that a test machine meets."""
    assert run("-n", "-d", "100", "-m", "100") == (0, "OK: All health checks passed")


def test_a_full_disk_is_critical(run: Run) -> None:
    """For real: every disk uses more than nothing."""
    code, line = run("-n", "-d", "0")
    assert code == 2
    assert line.startswith("CRITICAL: Disk usage at ")


@pytest.mark.parametrize(
    "text", [GNU_DF, WRAPPED_DF, SPACED_DF], ids=["posix", "wrapped", "spaces"]
)
def test_every_df_is_understood(run: Run, fake: Fake, text: str) -> None:
    """Long device names wrap lines, shares have spaces in their names."""
    fake("df", text)
    assert run("-n", "-m", "100") == (2, "CRITICAL: Disk usage at 93%")
    assert run("-n", "-m", "100", "-d", "93")[0] == 0


def test_a_df_without_p_is_asked_otherwise(run: Run, fake: Fake, tmp_path: Path) -> None:
    """Small systems know no `-P`."""
    fake("df", WRAPPED_DF, script=f'[ "$1" = -P ] && exit 1\ncat {tmp_path}/df.txt')
    assert run("-n") == (2, "CRITICAL: Disk usage at 93%")


def test_a_df_that_hangs_is_unknown(run: Run, fake: Fake) -> None:
    """A file server that is gone does not hold the check for ever."""
    fake("df", script="exec sleep 20")
    code, line = run("-n", HEALTH_DF_TIMEOUT="1")
    assert (code, line) == (3, "UNKNOWN: df gives no usage of /")


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        (NEW_FREE.format(available=50), 95),
        (NEW_FREE.format(available=640), 36),
        (OLD_FREE.format(cached=500), 35),
        (OLD_FREE.format(cached=0), 85),
        (BUSYBOX_OLD_FREE, 85),
    ],
    ids=["new", "new with cache", "old", "old full", "busybox"],
)
def test_every_free_is_understood(run: Run, fake: Fake, text: str, percent: int) -> None:
    """Used is what is not available; caches are given back."""
    fake("free", text)
    assert run("-n", "-m", str(percent - 1)) == (1, f"WARNING: Memory usage at {percent}%")
    assert run("-n", "-m", str(percent))[0] == 0


@pytest.mark.parametrize(
    ("text", "percent"), [(MEMINFO.format(available=40), 96), (OLD_MEMINFO, 94)]
)
def test_without_free_the_kernel_is_asked(
    run: Run, fake: Fake, tmp_path: Path, text: str, percent: int
) -> None:
    """Also kernels that estimate nothing themselves."""
    fake("free", script="exit 127")
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(text)
    code, line = run("-n", HEALTH_MEMINFO=str(meminfo))
    assert (code, line) == (1, f"WARNING: Memory usage at {percent}%")


def test_no_figures_are_unknown(run: Run, fake: Fake) -> None:
    """What cannot be measured is not well."""
    fake("free", script="exit 127")
    assert run("-n", HEALTH_MEMINFO="/no/such") == (3, "UNKNOWN: no memory figures")


def test_the_script_does_not_find_itself(run: Run) -> None:
    """The pattern is on its own command line, and on that of a shell around it."""
    marker = f"marker-{os.getpid()}"
    assert run("-s", marker, "-d", "100") == (2, f"CRITICAL: no process matches '{marker}'")
    command = f"{SCRIPT} -d 100 -s {marker}; exit $?"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2


def test_a_running_service_is_found(run: Run) -> None:
    """By its whole command line."""
    marker = f"marker-{os.getpid()}"
    service = [sys.executable, "-c", "input()", f"--name={marker}"]
    with subprocess.Popen(service, stdin=subprocess.PIPE) as running:
        found = run("-d", "100", "-m", "100", HEALTH_PROCESS=f"name={marker}$")
        running.communicate(b"\n")
    assert found == (0, "OK: All health checks passed")


def test_without_pgrep_processes_are_still_found(run: Run, fake: Fake, tmp_path: Path) -> None:
    """Bare systems have /proc."""
    for name in ("awk", "cat", "df", "free", "grep", "sleep", "timeout", "tr", "true", "dash"):
        if path := shutil.which(name):
            (tmp_path / name).symlink_to(path)
    for shell in SHELLS:
        if path := shutil.which(shell):
            target = tmp_path / shell
            target.exists() or target.symlink_to(path)
    marker = f"marker-{os.getpid()}"
    service = [sys.executable, "-c", "input()", marker]
    with subprocess.Popen(service, stdin=subprocess.PIPE) as running:
        found = run("-d", "100", "-m", "100", "-s", marker, PATH=str(tmp_path))
        running.communicate(b"\n")
    assert found == (0, "OK: All health checks passed")
    assert run("-d", "100", "-s", marker, PATH=str(tmp_path))[0] == 2
    assert fake


def test_the_document_s_words_for_its_own_service(run: Run, fake: Fake) -> None:
    """By default it is genRF that must run."""
    fake("pgrep", script="exit 1")
    assert run("-d", "100") == (2, "CRITICAL: GenRF service not running")


def test_critical_goes_before_warning(run: Run, fake: Fake) -> None:
    """A service that is down is not hidden by memory that is short."""
    fake("pgrep", script="exit 1")
    assert run("-d", "100", "-m", "0")[0] == 2


@pytest.mark.parametrize("options", [("-d", "many"), ("-m", "101"), ("-x",), ("word",)])
def test_wrong_options_are_unknown(run: Run, options: tuple[str, ...]) -> None:
    """A typing error is not a critical machine."""
    assert run(*options)[0] == 3


def test_help_names_every_option(run: Run) -> None:
    """`-h` is enough to use it."""
    code, text = run("-h")
    assert code == 0
    assert all(f"-{letter}" in text for letter in "pdmsn")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_no_complaint() -> None:
    """The script is portable by the judge of shell scripts."""
    subprocess.run(["shellcheck", SCRIPT], check=True)
