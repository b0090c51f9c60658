"""YAML files, read into types."""

import pytest

from veriscope.signals.yaml_documents import DocumentError, decode_yaml


def test_aliases_that_multiply_are_refused() -> None:
    """A few lines that stand for billions of values end in an error at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(DocumentError, match=r"^f\.yml: aliases .* over 1,000,000 values"):
        decode_yaml("\n".join(lines), "f.yml", dict, as_text=True)


def test_aliases_in_measure_are_read() -> None:
    """What is said once may be used in several places."""
    found = decode_yaml("a: &a {x: [1, 2]}\nb: *a\nc: [*a, *a]", "f.yml", dict, as_text=True)
    assert found["c"] == [{"x": ["1", "2"]}] * 2
