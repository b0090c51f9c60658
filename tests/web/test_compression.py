"""Which encoding an answer has, and that what is compressed in pieces is whole."""

import zlib

import cramjam
import pytest

from veriscope.web.compression import ContentEncoding, choose_encoding, compress, compressed


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", None),
        ("gzip", ContentEncoding.GZIP),
        ("gzip, deflate, br, zstd", ContentEncoding.ZSTD),
        ("GZIP;Q=1.0", ContentEncoding.GZIP),
        ("zstd;q=0.5, gzip;q=0.8", ContentEncoding.GZIP),
        ("zstd;q=0, gzip;q=0.1", ContentEncoding.GZIP),
        ("gzip;q=0", None),
        ("*", ContentEncoding.ZSTD),
        ("*;q=0.5, zstd;q=0", ContentEncoding.GZIP),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("br", None),
        ("gzip;q=much", None),
    ],
)
def test_the_client_chooses_and_we_break_ties(accept: str, chosen: ContentEncoding | None) -> None:
    """By its weights; of what it wants alike, the better one."""
    assert choose_encoding(accept) is chosen


@pytest.mark.parametrize("encoding", list(ContentEncoding))
def test_pieces_make_up_the_whole(encoding: ContentEncoding) -> None:
    """And each piece can be read as soon as it is there."""
    chunks = [b"abc" * 1_000, b"", b"x", bytes(range(256)) * 500]
    pieces = list(compressed(chunks, encoding))
    assert len(pieces) == len(chunks) + 1
    whole = b"".join(pieces)
    if encoding is ContentEncoding.GZIP:
        reader = zlib.decompressobj(wbits=31)
        assert reader.decompress(pieces[0]) == chunks[0]
        assert zlib.decompress(whole, wbits=31) == b"".join(chunks)
        assert zlib.decompress(compress(chunks[0], encoding), wbits=31) == chunks[0]
    else:
        assert bytes(cramjam.zstd.decompress(whole)) == b"".join(chunks)
        assert bytes(cramjam.zstd.decompress(compress(chunks[0], encoding))) == chunks[0]
