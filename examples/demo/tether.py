"""
`python -m examples.demo.tether PID COMMAND…`: become COMMAND, and end when process PID ends.

The kernel sends SIGTERM when the parent dies, however it dies (`PR_SET_PDEATHSIG`, which stays
set over `exec`). A wrapper is needed because only a process itself can ask for it.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and become the command; exits where the parent has gone."""
    parent, command = int(arguments[0]), arguments[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command is the demo's own


if __name__ == "__main__":
    main(sys.argv[1:])
