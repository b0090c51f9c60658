"""Who is here: the users that sent a request lately."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request


class ActiveUsers:
    """
    Users seen within the last *window_s* seconds, at most the *limit* latest of them.

    A user is told by the header `X-User` or by the bearer token; only a digest is kept.
    """

    def __init__(
        self,
        window_s: float = 300.0,
        limit: int = 10_000,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window_s = window_s
        self._limit = limit
        self._monotonic_s = monotonic_s
        self._seen: OrderedDict[str, float] = OrderedDict()

    def see(self, request: Request) -> None:
        """Note the user of *request*; nothing where it names none."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        name = request.headers.get("x-user", "") or (token if scheme.lower() == "bearer" else "")
        if not name:
            return
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._seen[digest] = self._monotonic_s()
        self._seen.move_to_end(digest)
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)

    def count(self) -> int:
        """Count the users who are active."""
        oldest = self._monotonic_s() - self._window_s
        while self._seen and next(iter(self._seen.values())) < oldest:
            self._seen.popitem(last=False)
        return len(self._seen)
