import os
import threading

import pytest

from veriscope.facade.fork_lock import ForkLock


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_lock_held_by_another_thread_is_open_in_a_forked_child() -> None:
    """A fork at the worst moment leaves the child able to work."""
    lock = ForkLock()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    child = os.fork()
    if child == 0:
        with lock, lock:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    done.set()
    thread.join()
    with lock:
        pass
