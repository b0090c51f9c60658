import json
from pathlib import Path
from typing import Any

from veriscope.collect.scrape import GlobalConfig


def group(page: Any, **labels: Any) -> Any:
    """Return one target group as discovery writes it."""
    return {"targets": [page.address], "labels": labels}


async def test_files_are_read_again_when_they_change(
    serve: Any, sink: Any, scraping: Any, config: Any, tmp_path: Path
) -> None:
    """A changed file changes the targets; a broken one keeps them; a deleted one ends them."""
    one, two = await serve(), await serve()
    file = tmp_path / "a.json"
    file.write_text(json.dumps([group(one, zone="1")]))
    (tmp_path / "b.yml").write_text(f"- targets: ['{two.address}']\n  labels: {{zone: 2}}\n")
    job = config(
        file_sd_configs=[{"files": [f"{tmp_path}/*.json", f"{tmp_path}/b.yml"]}],
        relabel_configs=[{"source_labels": ["__meta_filepath"], "target_label": "file"}],
    )
    async with scraping(job) as running:
        await sink.until(lambda: sink.values("up", zone="1", file=str(file)))
        await sink.until(lambda: sink.values("up", zone="2"))
        file.write_text("{")
        failures = "veriscope_scrape_discovery_failures_total"
        await sink.until(lambda: running.registry.get_sample_value(failures, {"mechanism": "file"}))
        assert len(running.scraper.targets().active) == 2
        file.write_text(json.dumps([group(one, zone="3")]))
        await sink.until(lambda: "stale" in sink.values("up", zone="1"))
        await sink.until(lambda: sink.values("up", zone="3"))
        file.unlink()
        await sink.until(lambda: "stale" in sink.values("up", zone="3"))


async def test_http_discovery(
    serve: Any, new_page: Any, sink: Any, scraping: Any, config: Any
) -> None:
    """An endpoint's targets are scraped; while it fails they stay."""
    page = await serve()
    sd = await serve(
        new_page(
            body=json.dumps([group(page, __meta_rack="r")]),
            headers={"Content-Type": "application/json"},
        )
    )
    job = config(
        http_sd_configs=[
            {
                "url": f"http://{sd.address}/sd",
                "refresh_interval": "50ms",
                "basic_auth": {"username": "u", "password": "p"},
            }
        ],
        relabel_configs=[{"source_labels": ["__meta_rack"], "target_label": "rack"}],
    )
    async with scraping(job) as running:
        await sink.until(lambda: sink.values("up", rack="r"))
        sd.status = 500
        failures = "veriscope_scrape_discovery_failures_total"
        await sink.until(lambda: running.registry.get_sample_value(failures, {"mechanism": "http"}))
        assert len(running.scraper.targets().active) == 1
        sd.status, sd.body = 200, "[]"
        await sink.until(lambda: "stale" in sink.values("up", rack="r"))
    assert sd.requests[0].headers["Authorization"] == "Basic dTpw"


async def test_dropped_targets_are_shown(serve: Any, sink: Any, scraping: Any, config: Any) -> None:
    """A target that a rule drops is not scraped, but listed."""
    page, other = await serve(), await serve()
    job = config(
        static_configs=[group(page, keep="yes"), group(other, keep="no")],
        relabel_configs=[{"source_labels": ["keep"], "regex": "no", "action": "drop"}],
    )
    async with scraping(job) as running:
        await sink.until(lambda: sink.batches)
        found = running.scraper.targets()
        await running.scraper.apply(GlobalConfig(), [])
        assert running.scraper.targets().active == ()
        await sink.until(lambda: "stale" in sink.values("up"))
    assert [dict(item.discovered_labels)["__address__"] for item in found.dropped] == [
        other.address
    ]
    assert not other.requests
