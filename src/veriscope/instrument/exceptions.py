"""Exceptions in the words of OpenTelemetry's semantic conventions."""

import traceback
from types import TracebackType


def describe(error: BaseException, trace: TracebackType | None = None) -> dict[str, str]:
    """Return `type`, `message` and `stacktrace` (of *trace* if given), those of causes included."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the application's own `__str__`
        message = f"{kind.__name__} without a text"
    return {
        "type": f"{module}{kind.__qualname__}",
        "message": message,
        "stacktrace": "".join(
            traceback.format_exception(kind, error, trace or error.__traceback__)
        ),
    }
