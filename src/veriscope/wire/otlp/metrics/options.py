"""How OTLP metrics become Prometheus series: Prometheus' section `otlp`, key for key."""

from enum import StrEnum

import msgspec

from veriscope.signals import require_at_least


class TranslationStrategy(StrEnum):
    """How names of metrics and attributes are changed. Source: Prometheus' configuration."""

    UNDERSCORE_ESCAPING_WITH_SUFFIXES = "UnderscoreEscapingWithSuffixes"
    UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES = "UnderscoreEscapingWithoutSuffixes"
    NO_UTF8_ESCAPING_WITH_SUFFIXES = "NoUTF8EscapingWithSuffixes"
    NO_TRANSLATION = "NoTranslation"

    @property
    def escapes(self) -> bool:
        """Whether what is not a letter, digit or underscore becomes an underscore."""
        return self.startswith("UnderscoreEscaping")

    @property
    def adds_suffixes(self) -> bool:
        """Whether names of metrics get their unit, `_total` and `_ratio`."""
        return self.endswith("WithSuffixes")


class OtlpOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How metrics that come by OTLP are named and labelled.

    Prometheus' keys and defaults, and `max_streams`, which is ours.
    """

    translation_strategy: TranslationStrategy = (
        TranslationStrategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES
    )
    """How names are changed."""
    promote_resource_attributes: tuple[str, ...] = ()
    """Resource attributes that become labels of each series."""
    promote_all_resource_attributes: bool = False
    """Make every resource attribute a label, but for `ignore_resource_attributes`."""
    ignore_resource_attributes: tuple[str, ...] = ()
    """Resource attributes that stay no labels where all others become labels."""
    keep_identifying_resource_attributes: bool = False
    """Keep `service.name`, `service.namespace` and `service.instance.id` in `target_info` too."""
    convert_histograms_to_nhcb: bool = False
    """Store explicit histograms as native histograms with custom buckets."""
    promote_scope_metadata: bool = False
    """Make name, version, schema URL and attributes of the scope labels `otel_scope_…`."""
    label_name_underscore_sanitization: bool = True
    """Put `key` before a label name that begins with one underscore."""
    label_name_preserve_multiple_underscores: bool = True
    """Leave several underscores in a row as they are in label names."""
    max_streams: int = 1_000_000
    """Streams that are remembered; past it the half that was not seen lately is forgotten."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_streams")
        if self.promote_all_resource_attributes and self.promote_resource_attributes:
            raise ValueError(
                "promote_all_resource_attributes and promote_resource_attributes exclude each"
                " other; remove one"
            )
        if self.ignore_resource_attributes and not self.promote_all_resource_attributes:
            raise ValueError(
                "ignore_resource_attributes is of use only with"
                " promote_all_resource_attributes: true"
            )
        for name in ("promote_resource_attributes", "ignore_resource_attributes"):
            listed = [attribute.strip() for attribute in getattr(self, name)]
            if not all(listed):
                raise ValueError(f"{name} has an empty attribute; remove it")
            if len(set(listed)) < len(listed):
                raise ValueError(f"{name} has an attribute twice; remove one")
