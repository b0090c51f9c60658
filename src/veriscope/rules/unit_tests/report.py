"""Results of unit tests, for people and for programs that read JUnit's XML."""

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from veriscope.rules.unit_tests.results import Failure, FileResult


def as_text(result: FileResult) -> Iterator[str]:
    """Yield the lines that tell a person how a file's tests went."""
    for warning in result.warnings:
        yield f"{result.path}: warning: {warning}"
    if result.error:
        # What is wrong with a file names the file itself.
        yield f"FAILED {result.error}"
    elif result.failed:
        yield f"FAILED {result.path}: {result.failed} of {_tests(len(result.tests))}"
    else:
        yield f"ok     {result.path}: {_tests(len(result.tests))}"
    for test in result.tests:
        if test.failures:
            yield f"  {test.name}"
        for failure in test.failures:
            yield f"    {failure.subject}"
            yield from (f"      {line}" for line in failure.lines)


def as_junit(results: Sequence[FileResult]) -> str:
    """Return the XML of all *results*, a suite for each file."""
    root = ET.Element("testsuites", name="veriscope rules test")
    for result in results:
        broken = bool(result.error)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=result.path,
            tests=str(len(result.tests) + broken),
            failures=str(result.failed),
            errors=str(int(broken)),
        )
        for test in result.tests:
            seconds = f"{test.seconds:.3f}"
            case = ET.SubElement(
                suite, "testcase", name=test.name, classname=result.path, time=seconds
            )
            for failure in test.failures:
                ET.SubElement(case, "failure", message=failure.subject).text = _body(failure)
        if broken:
            case = ET.SubElement(suite, "testcase", name="read", classname=result.path)
            ET.SubElement(case, "error", message=result.error)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _body(failure: Failure) -> str:
    return "\n".join(failure.lines)


def _tests(count: int) -> str:
    return f"{count:,} test" if count == 1 else f"{count:,} tests"
