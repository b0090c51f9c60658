"""Objective files: OpenSLO and Sloth, told apart by their first keys."""

import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from veriscope.rules.files import RuleGroup
from veriscope.rules.slo.compiling import compile_slo, describe
from veriscope.rules.slo.definition import Definition
from veriscope.rules.slo.objectives import Objective
from veriscope.rules.slo.openslo import IndicatorSpec, Sli, Slo
from veriscope.rules.slo.sloth import SlothFile
from veriscope.signals.yaml_documents import DocumentError, decode_yaml

_OPENSLO: Final = "openslo/v1"
_SLOTH: Final = "prometheus/v1"
_IGNORED: Final = (
    "AlertCondition",
    "AlertNotificationTarget",
    "AlertPolicy",
    "DataSource",
    "Service",
)
"""Kinds of OpenSLO that rules are not made of."""


def load_slo_groups(patterns: Iterable[str]) -> tuple[RuleGroup, ...]:
    """
    Read the objective files that *patterns* (globs) name and compile them to rules.

    Raises `DocumentError` where one cannot be read or is wrong, or two objectives have the same
    service and name.
    """
    return tuple(group for slo in _load(patterns) for group in compile_slo(slo))


def load_objectives(patterns: Iterable[str]) -> tuple[Objective, ...]:
    """Read the same files and return what their rules record; raises as `load_slo_groups`."""
    return tuple(describe(slo) for slo in _load(patterns))


def parse_slo_groups(text: str, name: str) -> tuple[RuleGroup, ...]:
    """Compile the objectives of one file's *text*, called *name*. Raises `DocumentError`."""
    return tuple(group for slo in _definitions([(name, text)]) for group in compile_slo(slo))


def is_slo_document(text: str) -> bool:
    """Tell an objective file from a rule file, by the keys of its first document."""
    try:
        return any({"apiVersion", "version"} & part.keys.keys() for part in _parts(text))
    except (yaml.YAMLError, RecursionError):
        return False


class _Part(NamedTuple):
    """One document of a file."""

    text: str
    """Preceded by empty lines, so that lines are numbered as in the file."""
    keys: dict[str, str]
    """Its scalars at the top."""


def _parts(text: str) -> Iterator[_Part]:
    starts: list[int] = []
    nodes = []
    for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
        if isinstance(node, yaml.MappingNode):
            nodes.append(node)
            starts.append(node.start_mark.line)
    lines = text.splitlines(keepends=True)
    for place, node in enumerate(nodes):
        end = node.end_mark.line if place + 1 < len(nodes) else len(lines)
        body = "".join(lines[starts[place] : max(end, starts[place] + 1)])
        keys = {
            key.value: value.value
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)
        }
        yield _Part("\n" * starts[place] + body, keys)


def _load(patterns: Iterable[str]) -> list[Definition]:
    texts = []
    for path in _paths(patterns):
        try:
            texts.append((path, Path(path).read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise DocumentError(f"cannot read {path}: {error}") from error
    return _definitions(texts)


def _paths(patterns: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for pattern in patterns:
        paths = sorted(glob.glob(pattern))  # noqa: PTH207 - patterns may be absolute
        if not paths and not glob.has_magic(pattern):
            raise DocumentError(f"there is no objective file {pattern}; correct `slo_files`")
        found.update(dict.fromkeys(paths))
    return list(found)


def _definitions(texts: Sequence[tuple[str, str]]) -> list[Definition]:
    found: list[Definition] = []
    slos: list[tuple[str, Slo]] = []
    indicators: dict[str, IndicatorSpec] = {}
    for name, text in texts:
        for part in _parsed(text, name):
            match _read(part, name):
                case SlothFile() as file:
                    found += file.definitions(name)
                case Slo() as slo:
                    slos.append((name, slo))
                case Sli() as sli:
                    indicators[sli.metadata.name] = sli.spec
                case None:
                    pass
    for name, slo in slos:
        try:
            found += slo.definitions(name, indicators)
        except ValueError as error:
            raise DocumentError(f"{name}: SLO {slo.metadata.name!r}: {error}") from error
    _refuse_twins(found)
    return found


def _parsed(text: str, name: str) -> list[_Part]:
    try:
        return list(_parts(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"{name}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentError(f"{name}: not YAML: {error}") from error


def _read(part: _Part, name: str) -> SlothFile | Slo | Sli | None:
    version = part.keys.get("version") or part.keys.get("apiVersion")
    kind = part.keys.get("kind")
    if version == _SLOTH:
        return decode_yaml(part.text, name, SlothFile, as_text=True)
    if version == _OPENSLO and kind == "SLO":
        return decode_yaml(part.text, name, Slo, as_text=True)
    if version == _OPENSLO and kind == "SLI":
        return decode_yaml(part.text, name, Sli, as_text=True)
    if version == _OPENSLO and kind in _IGNORED:
        return None
    line = len(part.text) - len(part.text.lstrip("\n")) + 1
    shown = " ".join(f"{key}: {value}" for key, value in part.keys.items() if "ersion" in key)
    raise DocumentError(
        f"{name}:{line}: neither OpenSLO v1 (`apiVersion: openslo/v1` with `kind: SLO`) nor"
        f" Sloth (`version: prometheus/v1`), but {shown or 'no version'}; correct it"
    )


def _refuse_twins(found: Iterable[Definition]) -> None:
    seen: dict[str, Definition] = {}
    for slo in found:
        if seen.setdefault(slo.id, slo) is not slo:
            raise DocumentError(
                f"{slo.file}: service {slo.service!r} has an objective {slo.name!r} already, in"
                f" {seen[slo.id].file}; rename one"
            )
