"""The token by which work in another thread is stopped."""

import threading

import pytest

from veriscope.signals.cancel import Cancellation, WorkCancelledError


def test_work_goes_on_until_it_is_cancelled() -> None:
    """`check` raises from then on."""
    token = Cancellation()
    token.check()
    token.cancel()
    assert token.cancelled
    with pytest.raises(WorkCancelledError, match="client has gone"):
        token.check()


def test_a_callback_is_called_once() -> None:
    """Also where `cancel` is called twice."""
    called: list[int] = []
    token = Cancellation()
    token.on_cancel(lambda: called.append(1))
    token.cancel()
    token.cancel()
    assert called == [1]


def test_a_callback_that_comes_late_is_called_at_once() -> None:
    """Work that starts after its client left is stopped too."""
    called: list[int] = []
    token = Cancellation()
    token.cancel()
    token.on_cancel(lambda: called.append(1))
    assert called == [1]


def test_a_forgotten_callback_is_not_called() -> None:
    """What has ended need not be stopped, and must not keep its memory."""
    called: list[int] = []
    token = Cancellation()
    forget = token.on_cancel(lambda: called.append(1))
    forget()
    forget()
    token.cancel()
    assert called == []


def test_each_of_many_callbacks_is_called_exactly_once() -> None:
    """Whether it was registered before, while or after another thread cancelled."""
    for _ in range(50):
        token, called, start = Cancellation(), [0] * 100, threading.Barrier(2)

        def cancel(token: Cancellation = token, start: threading.Barrier = start) -> None:
            start.wait()
            token.cancel()

        thread = threading.Thread(target=cancel)
        thread.start()
        start.wait()
        for place in range(100):

            def count(called: list[int] = called, place: int = place) -> None:
                called[place] += 1

            token.on_cancel(count)
        thread.join()
        assert called == [1] * 100
