import aiohttp

from examples.demo.pager import Pager
from veriscope.rules import load_rule_groups
from veriscope.rules.slo import load_slo_groups


def alert(name: str, status: str) -> dict[str, object]:
    """Return an alert as a webhook is told of it."""
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical"},
        "annotations": {"summary": f"{name} it is"},
        "fingerprint": name,
    }


async def test_only_what_is_new_is_said() -> None:
    """An alert is told when it fires and when it ends, not each time its group is."""
    said: list[str] = []
    bodies = [
        [alert("Hot", "firing")],
        [alert("Hot", "firing"), alert("Slow", "firing")],
        [alert("Hot", "resolved"), alert("Slow", "firing"), alert("Unheard", "resolved")],
        [alert(f"a{n}", "firing") for n in range(7)],
    ]
    async with Pager(said.append) as pager, aiohttp.ClientSession() as session:
        url = pager.config()["receivers"][0]["webhook_configs"][0]["url"]
        for alerts in bodies:
            async with session.post(url, json={"alerts": alerts}) as answer:
                assert answer.status == 200
    assert said == [
        "told: firing Hot (critical): Hot it is",
        "told: firing Slow (critical): Slow it is",
        "told: resolved Hot (critical): Hot it is",
        *(f"told: firing a{n} (critical): a{n} it is" for n in range(5)),
        "told: and 2 more",
    ]


async def test_its_rules_can_be_read() -> None:
    """The files that the demo's server is given are there, and are rules."""
    async with Pager(print) as pager:
        config = pager.config()
    names = {
        rule.alert
        for group in load_rule_groups(config["rule_files"]) + load_slo_groups(config["slo_files"])
        for rule in group.rules
    }
    assert {"GpuHot", "MemoryGrows", "SimulationsFail", "ErrorsLogged", "TruthgptAnswers"} <= names
