"""Compiled hash table: 128-bit keys to row numbers, by open addressing."""

from typing import Any, Final

import numpy as np

from veriscope.signals.compiled import compiled

U64: Final = np.uint64


@compiled
def _slot(low: Any, secret: Any, mask: int) -> Any:
    # The secret multiplier keeps a sender from choosing keys that all begin at one slot.
    mixed = (low ^ low >> U64(32)) * secret
    return np.int64(mixed >> U64(20)) & mask


@compiled
def find_rows(table: Any, rows: Any, secret: Any, keys: Any, found: Any) -> int:
    """
    Write the row of each of *keys* to *found*, -1 where it has none; return how many have none.

    *table* holds keys, *rows* their row and -1 in a free slot; both have the same length, a power
    of two, and at least one free slot. A key of zeros is none.
    """
    mask = len(rows) - 1
    missing = 0
    for place in range(len(keys)):
        low, high = keys[place, 0], keys[place, 1]
        row = -1
        if low != U64(0) or high != U64(0):
            slot = _slot(low, secret, mask)
            while rows[slot] >= 0:
                if table[slot, 0] == low and table[slot, 1] == high:
                    row = rows[slot]
                    break
                slot = (slot + 1) & mask
        found[place] = row
        if row < 0:
            missing += 1
    return missing


@compiled
def find_starts(newest: Any, rows: Any, times: Any, starts: Any, window: Any, chosen: Any) -> None:
    """
    Tell in *chosen* which points are the first since their series began to count.

    Such a start lies before its point, by *window* at most, and after `newest`, the newest time
    that is known of each row; that then is brought up to date. A start of 0 is none.
    """
    for point in range(len(rows)):
        row, time, start = rows[point], times[point], starts[point]
        chosen[point] = start > max(newest[row], 0) and start < time and time - start <= window
        newest[row] = max(newest[row], time)


@compiled
def add_rows(table: Any, rows: Any, secret: Any, keys: Any, added: Any) -> int:
    """
    Let each of *keys* lead to its row in *added* and return how many keys are new.

    A row of -1 and a key of zeros are left out; a key that is there gets the new row.
    """
    mask = len(rows) - 1
    new = 0
    for place in range(len(keys)):
        low, high = keys[place, 0], keys[place, 1]
        if added[place] < 0 or (low == U64(0) and high == U64(0)):
            continue
        slot = _slot(low, secret, mask)
        while rows[slot] >= 0 and (table[slot, 0] != low or table[slot, 1] != high):
            slot = (slot + 1) & mask
        if rows[slot] < 0:
            new += 1
        table[slot, 0], table[slot, 1], rows[slot] = low, high, added[place]
    return new
