import os
import subprocess
import sys
import textwrap
import threading

import pytest

from veriscope.instrument.forking import ForkLock, in_forked_child

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


class Renewable:
    """Counts how often it began anew, and may fail at it."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.times = 0
        self._fault = fault
        in_forked_child(self, Renewable.renew)

    def renew(self) -> None:
        """Begin anew."""
        self.times += 1
        if self._fault is not None:
            raise self._fault


def test_a_lock_held_by_another_thread_is_open_in_a_forked_child() -> None:
    """A fork at the worst moment leaves the child able to work."""
    lock = ForkLock()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    child = os.fork()
    if child == 0:
        with lock, lock:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    done.set()
    thread.join()
    with lock:
        pass


def test_objects_begin_anew_in_the_child_alone() -> None:
    """Once each, also after one that fails; in the parent nothing happens."""
    broken, sound = Renewable(ValueError("no")), Renewable()
    child = os.fork()
    if child == 0:
        os._exit(0 if (broken.times, sound.times) == (1, 1) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (broken.times, sound.times) == (0, 0)


def test_an_object_that_is_gone_is_forgotten() -> None:
    """To begin anew in children keeps nothing alive."""
    log: list[str] = []

    class Short:
        def renew(self) -> None:
            """Say so."""
            log.append("renewed")

    in_forked_child(Short(), Short.renew)
    child = os.fork()
    if child == 0:
        os._exit(len(log))
    assert os.waitpid(child, 0)[1] == 0


def test_the_end_of_the_interpreter_prints_nothing() -> None:
    """Also where an object and its class are part of one cycle."""
    program = """
        from veriscope.instrument.forking import in_forked_child

        def leave_a_cycle():
            class Part:
                def renew(self):
                    pass

            part = Part()
            part.kind = Part
            in_forked_child(part, Part.renew)

        leave_a_cycle()
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == ""
