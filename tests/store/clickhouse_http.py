"""
A ClickHouse server for tests: its HTTP interface over the real engine, which chDB embeds.

Only what carries statements is written anew here: statements, results and errors are the
engine's own. Limits on the length of a URL and of a field are those of a real server, since a
client can fail on them. https://clickhouse.com/docs/interfaces/http

    python clickhouse_http.py DIRECTORY [PORT] [PASSWORD]

It prints its port once it serves.
"""

import base64
import email
import gzip
import http.server
import re
import sys
import tempfile
import urllib.parse
from http import HTTPStatus
from typing import Any, Final

import chdb

_INSERT: Final = re.compile(rb"\s*INSERT INTO (?P<target>.+?) FORMAT (?P<format>\w+)\s", re.DOTALL)
_CODE: Final = re.compile(r"Code: (\d+)\.")
_MAX_URI_BYTES: Final = 1 << 20
"""ClickHouse's `http_max_uri_size`."""
_MAX_FIELD_BYTES: Final = 128 << 10
"""ClickHouse's `http_max_field_value_size`."""
# Parameters that the HTTP layer keeps for itself; every other one is a setting of the query.
_OWN: Final = frozenset(
    {"query", "database", "query_id", "session_id", "wait_end_of_query", "client_protocol_version"}
)
# src/Server/HTTP/exceptionCodeToHTTPStatus.cpp; whatever is not here is a 500.
_STATUSES: Final = {
    **dict.fromkeys((26, 27, 33, 36, 38, 41, 53, 62, 69, 117, 131, 427), HTTPStatus.BAD_REQUEST),
    **dict.fromkeys((46, 47, 60, 81, 115), HTTPStatus.NOT_FOUND),
    159: HTTPStatus.REQUEST_TIMEOUT,
    516: HTTPStatus.FORBIDDEN,
}
_VERSION: Final = "(version 26.9.1.1 (official build))"


class _Refusal(Exception):  # noqa: N818 - as ClickHouse has it, an exception of the HTTP layer
    """What the HTTP layer itself refuses, in the words and with the code of ClickHouse."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, directory: str, port: int, password: str) -> None:
        self.directory = directory
        self.expected = base64.b64encode(f"default:{password}".encode()).decode()
        self.keep_open = chdb.connect(directory)
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        """Keep the tests' output quiet."""

    def _serve(self, body: bytes) -> None:
        if self.path == "/ping":
            self._answer(HTTPStatus.OK, b"Ok.\n")
            return
        try:
            result, result_format = self._execute(body)
        except (_Refusal, RuntimeError) as error:  # a ChdbError is a RuntimeError
            code = int(match[1]) if (match := _CODE.search(str(error))) else 1000
            status = _STATUSES.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
            text = f"{error} {_VERSION}\n".encode()
            self._answer(status, text, {"X-ClickHouse-Exception-Code": str(code)})
        else:
            self._answer(HTTPStatus.OK, result, {"X-ClickHouse-Format": result_format})

    def _execute(self, body: bytes) -> tuple[bytes, str]:
        if self.headers.get("Authorization") != f"Basic {self.server.expected}":
            raise _Refusal(
                "Code: 516. DB::Exception: default: Authentication failed: password is incorrect,"
                " or there is no user with such name. (AUTHENTICATION_FAILED)"
            )
        if len(self.path) > _MAX_URI_BYTES:
            raise _Refusal("Code: 1000. DB::Exception: Poco::Exception: Too long URI")
        given = dict(
            urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True)
        )
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.headers.get("Content-Type", "").startswith("multipart/form-data"):
            given |= _form(self.headers["Content-Type"], body)
            body = b""
        if any(len(value.encode()) > _MAX_FIELD_BYTES for value in given.values()):
            raise _Refusal("Poco::Exception. Code: 1000, HTML Form Exception: Field value too long")
        query = given.get("query", "").encode()
        connection = chdb.connect(self.server.directory)
        try:
            _set_up(connection, given)
            return _run(connection, query + b"\n" + body if query else body, _bound(given))
        finally:
            connection.close()

    def _answer(
        self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        encodings = self.headers.get("Accept-Encoding", "").replace(" ", "").split(",")
        self.send_response(status)
        if "enable_http_compression=1" in self.path and "gzip" in encodings:
            body = gzip.compress(body, 1)
            self.send_header("Content-Encoding", "gzip")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _form(content_type: str, body: bytes) -> dict[str, str]:
    parts = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    return {
        str(part.get_param("name", header="Content-Disposition")): part.get_payload(
            decode=True
        ).decode()
        for part in parts.get_payload()
    }


def _set_up(connection: Any, given: dict[str, str]) -> None:
    if database := given.get("database"):
        connection.query(f"USE `{database}`")
    for name, value in given.items():
        if name not in _OWN and not name.startswith("param_"):
            text = value.replace("\\", "\\\\").replace("'", "\\'")
            connection.query(f"SET {name} = '{text}'")


def _bound(given: dict[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("param_"): value
        for name, value in given.items()
        if name.startswith("param_")
    }


def _run(connection: Any, statement: bytes, parameters: dict[str, str]) -> tuple[bytes, str]:
    if insert := _INSERT.match(statement):
        with tempfile.NamedTemporaryFile() as data:
            data.write(statement[insert.end() :])
            data.flush()
            target, kind = insert["target"].decode(), insert["format"].decode()
            connection.query(f"INSERT INTO {target} FROM INFILE '{data.name}' FORMAT {kind}")
        return b"", "TabSeparated"
    result = connection.query(statement.decode(), "TabSeparated", params=parameters)
    return result.bytes() or b"", "TabSeparated"


if __name__ == "__main__":
    directory, port, password = [*sys.argv[1:], *("0", "")][:3]
    server = _Server(directory, int(port), password)
    print(server.server_port, flush=True)  # noqa: T201 - this is how a test learns it
    server.serve_forever()
