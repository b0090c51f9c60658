"""What the door of small changing state promises."""

from collections.abc import Callable

import pytest

from veriscope.store import Store
from veriscope.store.state import StateStore

ODD = 'it\'s a \\ "quoted"\\n ☃ {x:String} %s ? \\u0000'.encode()


@pytest.fixture
def state(store: Store) -> StateStore:
    """Return the state of an empty store."""
    return store.state


def test_a_document_comes_back_as_it_was_written(state: StateStore) -> None:
    """Nothing in a document is taken for SQL or for an escape."""
    state.put("dashboard", "odd", ODD)
    assert state.get("dashboard", "odd") == ODD


def test_the_last_write_wins(state: StateStore) -> None:
    """A document is replaced at once, however fast writes follow each other."""
    for turn in range(20):
        state.put("dashboard", "a", str(turn).encode())
        assert state.get("dashboard", "a") == str(turn).encode()


def test_a_write_wins_over_one_from_the_future(state: StateStore) -> None:
    """A server whose clock runs behind another's is heard too."""
    state._engine.command(
        "INSERT INTO state VALUES ('dashboard', 'a', 'theirs', 18000000000000000000, 0)"
    )
    state.put("dashboard", "a", b"ours")
    assert state.get("dashboard", "a") == b"ours"


def test_kinds_do_not_meet(state: StateStore) -> None:
    """One key can stand in two kinds; `all` and `count` speak of one."""
    state.put("dashboard", "b", b"1")
    state.put("dashboard", "a", b"2")
    state.put("silence", "a", b"3")
    assert list(state.all("dashboard").items()) == [("a", b"2"), ("b", b"1")]
    assert state.count("dashboard") == 2
    assert state.get("silence", "b") is None


def test_a_deleted_document_is_gone_and_can_come_back(state: StateStore) -> None:
    """Deleting is a write like any other; of what is not there it does nothing."""
    state.put("dashboard", "a", b"1")
    state.delete("dashboard", "a")
    state.delete("dashboard", "never")
    assert state.get("dashboard", "a") is None
    assert state.count("dashboard") == 0
    assert state.all("dashboard") == {}
    state.put("dashboard", "a", b"2")
    assert state.all("dashboard") == {"a": b"2"}


def test_state_is_there_after_reopening(open_store: Callable[..., Store]) -> None:
    """What was written is on disk."""
    first = open_store("kept_state")
    first.state.put("dashboard", "a", b"1")
    first.close()
    assert open_store("kept_state").state.get("dashboard", "a") == b"1"


def test_many_documents_are_one_write(state: StateStore) -> None:
    """Thousands are written and removed at once; each wins over what was there."""
    state.put("alert", "7", b"before")
    documents = {str(number): b"%d" % number for number in range(5_000)}
    state.put_many("alert", documents)
    assert state.all("alert") == documents
    state.delete_many("alert", [str(number) for number in range(4_999)])
    assert state.all("alert") == {"4999": b"4999"}
    state.put_many("alert", {"7": b"after", "odd": ODD})
    assert state.all("alert") == {"4999": b"4999", "7": b"after", "odd": ODD}


def test_many_documents_win_over_one_from_the_future(any_store: Store) -> None:
    """A server whose clock runs behind another's is heard here too."""
    state = any_store.state
    state._engine.command(
        "INSERT INTO state VALUES ('alert', 'a', 'theirs', 18000000000000000000, 0)"
    )
    state.put_many("alert", {"a": b"ours", "b": b"ours"})
    assert state.all("alert") == {"a": b"ours", "b": b"ours"}


def test_nothing_to_write_is_no_write(state: StateStore) -> None:
    """No documents and no keys are fine."""
    state.put_many("alert", {})
    state.delete_many("alert", [])
    assert state.all("alert") == {}
