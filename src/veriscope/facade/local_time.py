"""Times as the documents have them: naive, and local."""

from datetime import datetime


def local_now() -> datetime:
    """Return the local time without a zone, which pasted code compares with its own."""
    return datetime.now()  # noqa: DTZ005 - the documents' times are naive
