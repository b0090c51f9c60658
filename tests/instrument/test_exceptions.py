from veriscope.instrument.exceptions import describe


class MuteError(Exception):
    """Its text fails."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_exception_is_told_with_its_causes() -> None:
    """Type with module, message, and the stack traces of both."""
    error = LookupError("not there")
    error.__cause__ = KeyError("absent")
    said = describe(error)
    assert (said["type"], said["message"]) == ("LookupError", "not there")
    assert "KeyError: 'absent'" in said["stacktrace"]


def test_an_exception_whose_text_fails_is_told_all_the_same() -> None:
    """What is observed must not make observing fail."""
    said = describe(MuteError())
    assert said["type"].endswith("test_exceptions.MuteError")
    assert said["message"] == "MuteError without a text"
