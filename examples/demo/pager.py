"""Whoever is on call for the demo: told by webhook, says it on the terminal."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

_HERE: Final = Path(__file__).resolve().parent
_MOST_SHOWN: Final = 5


class Pager:
    """
    `async with Pager(report) as pager`: a receiver that tells *report* what is new, in lines.

    A notification is about all alerts of its group: those that are as they were are left out.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._known: dict[str, str] = {}
        app = web.Application(client_max_size=8 << 20)
        app.router.add_post("/", self._told)
        self._runner = web.AppRunner(app)
        self._url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}/"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    def config(self) -> dict[str, Any]:
        """Return the sections of the server's configuration by which this pager is told."""
        return {
            "rule_files": [str(_HERE / "rules.yml")],
            "slo_files": [str(_HERE / "slos.yml")],
            "route": {
                "receiver": "terminal",
                "group_by": ["service"],
                "group_wait": "5s",
                "group_interval": "10s",
            },
            "receivers": [{"name": "terminal", "webhook_configs": [{"url": self._url}]}],
        }

    async def _told(self, request: web.Request) -> web.Response:
        news = [each for each in (await request.json())["alerts"] if self._is_new(each)]
        for alert in news[:_MOST_SHOWN]:
            labels, texts = alert["labels"], alert["annotations"]
            what = f"{labels['alertname']} ({labels.get('severity', 'no severity')})"
            text = texts.get("summary") or texts.get("title", "")
            self._report(f"told: {alert['status']} {what}: {text}")
        if (more := len(news) - _MOST_SHOWN) > 0:
            self._report(f"told: and {more} more")
        return web.Response()

    def _is_new(self, alert: dict[str, Any]) -> bool:
        name, status = alert["fingerprint"], alert["status"]
        if self._known.get(name, "resolved") == status:
            return False
        self._known[name] = status
        return True
