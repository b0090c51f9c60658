"""Connections that must get on: none is held by a client that sends nothing."""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class ImpatientConnection(HttpToolsProtocol):
    """
    A connection that ends where a request does not arrive in `seconds`.

    That is the head of a request, from when the client connects or begins to send it; and what is
    left of its body once it has been answered. Between requests a connection may rest.
    """

    seconds: ClassVar[float]

    _timer: asyncio.TimerHandle | None = None
    _arriving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the head."""
        self._arriving = True
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Leave it to the application how long the body may take."""
        self._rest()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no longer: the request is whole."""
        self._arriving = False
        self._rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the rest of a request that was answered before it was whole."""
        super().on_response_complete()
        if self._arriving and not self.transport.is_closing():
            self._wait()

    def _wait(self) -> None:
        self._rest()
        self._timer = self.loop.call_later(self.seconds, self.transport.close)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def impatient(seconds: float) -> type[ImpatientConnection]:
    """Return the class of connections that wait for *seconds*, as uvicorn wants it."""
    return type("Connection", (ImpatientConnection,), {"seconds": seconds})
