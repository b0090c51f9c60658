import gzip
from typing import Any

from veriscope.collect.scrape import GlobalConfig
from veriscope.signals import METRIC_NAME, InvalidInputError, OverloadedError, to_labels


def targets(*pages: Any, **labels: Any) -> Any:
    """Return one static group of *pages*."""
    return [{"targets": [page.address for page in pages], "labels": labels}]


async def test_samples_and_reports_arrive(
    serve: Any, sink: Any, scraping: Any, config: Any
) -> None:
    """A scrape stores what is exposed, with the target's labels, and reports on itself."""
    page = await serve()
    page.body = '# TYPE a gauge\na{x="1"} 5\na{x="2"} 6\n'
    async with scraping(config(static_configs=targets(page, zone="z"))) as running:
        await sink.until(lambda: len(sink.batches) >= 3)
        active = running.scraper.targets().active
    expected = to_labels(
        {METRIC_NAME: "a", "x": "1", "zone": "z", "job": "j", "instance": page.address}
    )
    assert expected in sink.series()
    assert sink.values("a", x="2")[:2] == [6.0, 6.0]
    assert sink.values("up")[:2] == [1.0, 1.0]
    assert sink.values("scrape_samples_scraped")[0] == 2.0
    assert sink.values("scrape_samples_post_metric_relabeling")[0] == 2.0
    assert sink.values("scrape_series_added")[:2] == [2.0, 0.0]
    assert 0 < sink.values("scrape_duration_seconds")[0] < 5
    assert sink.batches[0].labels is sink.batches[1].labels
    assert [item.name for item in sink.batches[0].metadata] == ["a"]
    assert sink.batches[1].metadata == ()
    assert active[0].health == "up"
    assert active[0].scrape_url == f"http://{page.address}/metrics"


async def test_a_series_that_disappears_goes_stale(
    serve: Any, sink: Any, scraping: Any, config: Any
) -> None:
    """What the last scrape had and this one has not gets one stale marker."""
    page = await serve()
    page.body = "a 1\nb 2\n"
    async with scraping(config(static_configs=targets(page))):
        await sink.until(lambda: sink.values("b"))
        page.body = "a 1\n"
        await sink.until(lambda: "stale" in sink.values("b"))
        count = len(sink.batches)
        await sink.until(lambda: len(sink.batches) > count + 1)
    assert sink.values("b").count("stale") == 1
    assert "stale" not in sink.values("a")


async def test_a_failing_target_goes_stale_and_down(
    serve: Any, sink: Any, scraping: Any, config: Any
) -> None:
    """A failed scrape is `up` 0, ends all series of the target and names its reason."""
    page = await serve()
    async with scraping(config(static_configs=targets(page))) as running:
        await sink.until(lambda: sink.values("a"))
        page.status = 503
        await sink.until(lambda: 0.0 in sink.values("up"))
        active = running.scraper.targets().active[0]
        page.status = 200
        await sink.until(lambda: sink.values("a")[-1] == 1.0 and "stale" in sink.values("a"))
    assert active.health == "down"
    assert "503" in active.last_error


async def test_a_target_that_leaves_goes_stale_whole(
    serve: Any, sink: Any, scraping: Any, config: Any
) -> None:
    """After a reload without a target, its series and its `up` are stale; others go on."""
    one, two = await serve(), await serve()
    async with scraping(config(static_configs=targets(one, two))) as running:
        await sink.until(lambda: {1.0} <= set(sink.values("up", instance=one.address)))
        await sink.until(lambda: sink.values("up", instance=two.address))
        await running.scraper.apply(GlobalConfig(), [config(static_configs=targets(two))])
        await sink.until(lambda: "stale" in sink.values("up", instance=one.address))
        seen = len(sink.values("a", instance=two.address))
        await sink.until(lambda: len(sink.values("a", instance=two.address)) > seen + 1)
    assert sink.values("a", instance=one.address)[-1] == "stale"
    assert "stale" not in sink.values("a", instance=two.address)
    assert "stale" not in sink.values("up", instance=two.address)


async def test_limits_fail_the_scrape(serve: Any, sink: Any, scraping: Any, config: Any) -> None:
    """Past a limit nothing of the scrape is stored, and `up` is 0."""
    page = await serve()
    page.body = 'a{long="value"} 1\nb 2\n'
    for keys in (
        {"sample_limit": 1},
        {"label_limit": 3},
        {"label_name_length_limit": 7, "honor_labels": True},
        {"label_value_length_limit": 4},
        {"body_size_limit": "10B"},
        {"target_limit": 1, "static_configs": targets(page, zone="other") + targets(page)},
    ):
        sink.batches.clear()
        async with scraping(config(**{"static_configs": targets(page), **keys})) as running:
            await sink.until(lambda: sink.values("up"))
            error = max(item.last_error for item in running.scraper.targets().active)
        assert set(sink.values("up")) == {0.0}, keys
        assert next(iter(keys.keys() - {"static_configs", "honor_labels"})) in error
        assert not sink.values("b")


async def test_a_gzip_bomb_is_bounded(serve: Any, sink: Any, scraping: Any, config: Any) -> None:
    """The limit counts decompressed bytes."""
    page = await serve()
    page.body = gzip.compress(b"#" * 10_000_000)
    page.headers = page.headers | {"Content-Encoding": "gzip"}
    job = config(static_configs=targets(page), body_size_limit="1MB", extra_scrape_metrics=True)
    async with scraping(job) as running:
        await sink.until(lambda: sink.values("up"))
        assert "body_size_limit" in running.scraper.targets().active[0].last_error
    assert sink.values("scrape_body_size_bytes")[0] == -1.0


async def test_an_overloaded_sink_is_tried_again(
    serve: Any, sink: Any, scraping: Any, config: Any
) -> None:
    """A batch that is refused for overload is offered again before the next scrape is due."""
    page = await serve()
    sink.failures = [OverloadedError("busy")]
    async with scraping(config(static_configs=targets(page), scrape_interval="1s")) as running:
        await sink.until(lambda: sink.batches)
        dropped = running.registry.get_sample_value("veriscope_scrape_dropped_samples_total")
    assert sink.attempts == 2
    assert dropped == 0


async def test_a_refused_batch_is_counted(
    serve: Any, sink: Any, scraping: Any, config: Any
) -> None:
    """A batch the sink never takes is counted, and its metadata is offered again."""
    page = await serve()
    page.body = "# TYPE a gauge\na 1\n"
    sink.failures = [InvalidInputError("no")]
    async with scraping(config(static_configs=targets(page))) as running:
        await sink.until(lambda: sink.batches)
        dropped = running.registry.get_sample_value("veriscope_scrape_dropped_samples_total")
    assert dropped == 6
    assert sink.batches[0].metadata
