"""Text of the application made fit for UTF-8, in which everything is sent and written."""


def encodable(text: str, errors: str = "replace") -> str:
    """
    Return *text* with what UTF-8 cannot spell (lone surrogates) as `?`.

    *errors* is `str.encode`'s: `backslashreplace` spells them as escapes.
    """
    return text if text.isascii() else text.encode(errors=errors).decode()
