"""Names of metrics, units and labels: the cases of Prometheus' own translator, by hand."""

import pytest

from veriscope.signals import InvalidInputError
from veriscope.wire.otlp.metrics import OtlpOptions, TranslationStrategy
from veriscope.wire.otlp.metrics.names import Kind, Namer

ESCAPED = TranslationStrategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES
PLAIN = TranslationStrategy.UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES
UTF8 = TranslationStrategy.NO_UTF8_ESCAPING_WITH_SUFFIXES
AS_IS = TranslationStrategy.NO_TRANSLATION
COUNTER = (Kind.SUM, True)
UP_DOWN = (Kind.SUM, False)
GAUGE = (Kind.GAUGE, False)
HISTOGRAM = (Kind.HISTOGRAM, False)


@pytest.mark.parametrize(
    ("strategy", "name", "unit", "kind", "expected"),
    [
        (ESCAPED, "http.server.requests", "", COUNTER, "http_server_requests_total"),
        (ESCAPED, "http.server.requests", "1", COUNTER, "http_server_requests_total"),
        (ESCAPED, "requests_total", "", COUNTER, "requests_total"),
        (ESCAPED, "total.requests", "{request}", COUNTER, "requests_total"),
        (ESCAPED, "queue.size", "{item}", UP_DOWN, "queue_size"),
        (
            ESCAPED,
            "http.server.request.duration",
            "s",
            HISTOGRAM,
            "http_server_request_duration_seconds",
        ),
        (ESCAPED, "request.duration.seconds", "s", HISTOGRAM, "request_duration_seconds"),
        (ESCAPED, "memory.usage", "By", GAUGE, "memory_usage_bytes"),
        (ESCAPED, "disk.io", "By", COUNTER, "disk_io_bytes_total"),
        (ESCAPED, "cpu.utilization", "1", GAUGE, "cpu_utilization_ratio"),
        (ESCAPED, "hit.ratio", "1", GAUGE, "hit_ratio"),
        (ESCAPED, "speed", "m/s", GAUGE, "speed_meters_per_second"),
        (ESCAPED, "speed", "m/ s", GAUGE, "speed_meters_per_second"),
        (
            ESCAPED,
            "meters_per_second.speed",
            "m/s",
            GAUGE,
            "meters_per_second_speed_per_second",
        ),
        (ESCAPED, "rate", "{packet}/s", GAUGE, "rate_per_second"),
        (ESCAPED, "rate", "/{packet}", GAUGE, "rate"),
        (ESCAPED, "load", "%", GAUGE, "load_percent"),
        (ESCAPED, "odd", "foo/bar.baz", GAUGE, "odd_foo_per_bar_baz"),
        (ESCAPED, "1st.metric", "", GAUGE, "_1st_metric"),
        (ESCAPED, "a__b..c", "", GAUGE, "a_b_c"),
        (ESCAPED, "metric:colon", "", GAUGE, "metric:colon"),
        (ESCAPED, "größe", "", GAUGE, "gr_e"),
        (PLAIN, "http.server.requests", "s", COUNTER, "http_server_requests"),
        (PLAIN, "a__b", "", GAUGE, "a__b"),
        (PLAIN, "1st", "", GAUGE, "_1st"),
        (UTF8, "http.server.requests", "", COUNTER, "http.server.requests_total"),
        (UTF8, "http.requests.total", "", COUNTER, "http.requests_total"),
        (UTF8, "größe", "By", GAUGE, "größe_bytes"),
        (UTF8, "io.bytes", "By/s", GAUGE, "io.bytes_per_second"),
        (UTF8, "hit", "1", GAUGE, "hit_ratio"),
        (AS_IS, "http.server.requests", "s", COUNTER, "http.server.requests"),
        (AS_IS, "größe", "By", GAUGE, "größe"),
    ],
)
def test_metrics_are_named_as_prometheus_names_them(
    strategy: TranslationStrategy, name: str, unit: str, kind: tuple[Kind, bool], expected: str
) -> None:
    """Each strategy, unit and kind gives the name that Prometheus' users know."""
    namer = Namer(OtlpOptions(translation_strategy=strategy))
    assert namer.metric(name, unit, kind[0], is_monotonic=kind[1]) == expected


@pytest.mark.parametrize("name", ["", "...", "ようこそ"])
def test_a_name_of_which_nothing_is_left_is_refused(name: str) -> None:
    """A series without a name would be no series."""
    with pytest.raises(InvalidInputError, match="leaves no name"):
        Namer(OtlpOptions()).metric(name, "", Kind.GAUGE, is_monotonic=False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http.method", "http_method"),
        ("label:with:colons", "label_with_colons"),
        ("label!with&special$chars)", "label_with_special_chars_"),
        ("label_with_foreign_characters_字符", "label_with_foreign_characters___"),
        ("123label", "key_123label"),
        ("_private", "key_private"),
        ("__reserved__", "__reserved__"),
        ("a..b", "a__b"),
    ],
)
def test_labels_are_named_as_prometheus_names_them(name: str, expected: str) -> None:
    """The defaults are Prometheus'."""
    assert Namer(OtlpOptions()).label(name) == expected


def test_options_change_underscores_of_labels() -> None:
    """A leading one can stay alone, and several become one, but in reserved names."""
    namer = Namer(
        OtlpOptions(
            label_name_underscore_sanitization=False,
            label_name_preserve_multiple_underscores=False,
        )
    )
    names = ["_private", "a..b__c", "__a..b__"]
    assert [namer.label(name) for name in names] == ["_private", "a_b_c", "__a_b__"]
    utf8 = Namer(OtlpOptions(translation_strategy=TranslationStrategy.NO_TRANSLATION))
    assert utf8.label("_größe.x") == "_größe.x"


@pytest.mark.parametrize("name", ["", "ようこそ"])
def test_a_label_of_which_nothing_is_left_is_refused(name: str) -> None:
    """Labels of underscores alone would run into each other."""
    with pytest.raises(InvalidInputError):
        Namer(OtlpOptions()).label(name)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("By", "bytes"), ("By/s", "bytes_per_second"), ("1", ""), ("{x}/s", "per_second"), ("", "")],
)
def test_units_are_words(unit: str, expected: str) -> None:
    """Metadata has base units by their names."""
    assert Namer(OtlpOptions()).unit(unit) == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"promote_all_resource_attributes": True, "promote_resource_attributes": ("a",)},
            "exclude",
        ),
        ({"ignore_resource_attributes": ("a",)}, "only with"),
        ({"promote_resource_attributes": ("a", " ")}, "empty"),
        ({"promote_resource_attributes": ("a", "a ")}, "twice"),
        ({"max_streams": 0}, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], reason: str) -> None:
    """As Prometheus refuses them."""
    with pytest.raises(ValueError, match=reason):
        OtlpOptions(**options)  # type: ignore[arg-type]
