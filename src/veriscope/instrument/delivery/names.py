"""Names of metrics and labels made ones that Prometheus takes in any version."""

import re


def metric_name(name: str) -> str:
    """Return *name* with `_` for each character that a metric's name cannot have."""
    return _not_digit_first(re.sub(r"[^a-zA-Z0-9_:]", "_", name))


def label_name(name: str) -> str:
    """Return *name* as a label's, which has no colon, and no two underscores in front."""
    valid = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    if valid.startswith("__"):  # reserved
        valid = f"_{valid.lstrip('_')}"
    return _not_digit_first(valid)


def _not_digit_first(valid: str) -> str:
    return f"_{valid}" if not valid or valid[0].isdecimal() else valid
