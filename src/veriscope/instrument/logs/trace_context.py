"""The trace that the calling code runs in, without loading OpenTelemetry for it."""

import sys
from typing import Final

_API: Final = "opentelemetry.trace"


def current_ids(*, sampled_only: bool = False) -> tuple[int, int] | None:
    """
    Return trace id and span id of the current span; None outside of any.

    A process that has not imported OpenTelemetry has no spans, so nothing is imported to look.
    With *sampled_only* a span that no exporter will see counts as none.
    """
    api = sys.modules.get(_API)
    if api is None:
        return None
    context = api.get_current_span().get_span_context()
    if not context.is_valid or (sampled_only and not context.trace_flags.sampled):
        return None
    return context.trace_id, context.span_id
