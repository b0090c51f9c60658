"""Answers that are written while they are sent."""

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from veriscope.signals.cancel import Cancellation
from veriscope.web.compression import WORTHWHILE_BYTES, ContentEncoding, compress, compressed
from veriscope.web.threads import QueryThreads, until_gone

# What is shorter than this is sent whole: with its length, and without a turn for each piece.
_WHOLE_BYTES: Final = 1 << 18


def answer(
    chunks: Iterator[bytes],
    encoding: ContentEncoding | None,
    threads: QueryThreads,
    cancel: Cancellation,
    media_type: str = "application/json",
) -> Response:
    """
    Return the answer that *chunks* make up, compressed where it is long enough for that.

    Call it in the thread of the query: it writes a short answer as a whole, and of a long one the
    beginning. The rest is written, in threads, as the client takes it.
    """
    headers = {"Vary": "Accept-Encoding"}
    begun: list[bytes] = []
    size = 0
    for chunk in chunks:
        begun.append(chunk)
        size += len(chunk)
        if size > _WHOLE_BYTES:
            break
    else:
        body = b"".join(begun)
        if encoding is not None and size >= WORTHWHILE_BYTES:
            headers["Content-Encoding"] = encoding
            body = compress(body, encoding)
        return Response(body, headers=headers, media_type=media_type)
    pieces: Iterator[bytes] = chain((b"".join(begun),), chunks)
    if encoding is not None:
        headers["Content-Encoding"] = encoding
        pieces = compressed(pieces, encoding)
    return _Streamed(pieces, threads, cancel, headers, media_type)


class _Streamed(Response):
    """Sends each piece once the one before it has been taken."""

    def __init__(
        self,
        pieces: Iterator[bytes],
        threads: QueryThreads,
        cancel: Cancellation,
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["Content-Length"]
        self._pieces = pieces
        self._threads = threads
        self._cancel = cancel

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; stop where the client hangs up."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": self.raw_headers},
        )
        watch = asyncio.create_task(self._watch(receive), name="client-watch")
        try:
            while (piece := await self._threads.call(self._next)) is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not self._cancel.cancelled:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watch.cancel()

    def _next(self) -> bytes | None:
        return None if self._cancel.cancelled else next(self._pieces, None)

    async def _watch(self, receive: Receive) -> None:
        await until_gone(receive)
        self._cancel.cancel()
