"""Alertmanager's configuration file, whole; every fault names its line and its cure."""

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
import yaml
from prometheus_client import CollectorRegistry

from veriscope.alert.config.inhibit_rules import InhibitRule
from veriscope.alert.config.routes import RouteConfig
from veriscope.alert.config.secrets import fill_in
from veriscope.alert.config.time_intervals import NamedIntervals
from veriscope.alert.notify.receivers import (
    GlobalConfig,
    ReceiverConfig,
    absolute_files,
    build_notifiers,
)
from veriscope.signals import InvalidInputError, SystemClock
from veriscope.signals.yaml_documents import (
    DocumentError,
    Step,
    compose_yaml,
    decode_node,
    line_of,
)
from veriscope.templates.alertmanager import NotificationTemplates

_NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})


class AlertingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file; without a `route`, which only the server's default lacks, nobody is told."""

    global_: GlobalConfig = msgspec.field(default_factory=GlobalConfig, name="global")
    """What receivers leave open."""
    templates: tuple[str, ...] = ()
    """Files of templates, as globs; relative ones are taken from this file's directory."""
    route: RouteConfig | None = None
    """The root of the route tree."""
    receivers: tuple[ReceiverConfig, ...] = ()
    """Who can be told, and how."""
    inhibit_rules: tuple[InhibitRule, ...] = ()
    """Which alerts are not told of while others fire."""
    time_intervals: tuple[NamedIntervals, ...] = ()
    """Times that routes refer to."""
    mute_time_intervals: tuple[NamedIntervals, ...] = ()
    """The older spelling of `time_intervals`."""

    @property
    def intervals(self) -> tuple[NamedIntervals, ...]:
        """The time intervals of both spellings."""
        return self.time_intervals + self.mute_time_intervals


def load_alerting_config(
    path: Path, *, environment: Mapping[str, str] = _NO_ENVIRONMENT
) -> AlertingConfig:
    """
    Read the file at *path*.

    `${NAME}` in a secret is replaced by what *environment* holds. Raises `DocumentError`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"cannot read {path}: {error}") from error
    return parse_alerting_config(text, str(path), path.parent, environment=environment)


def parse_alerting_config(
    text: str,
    name: str,
    directory: Path,
    *,
    environment: Mapping[str, str] = _NO_ENVIRONMENT,
) -> AlertingConfig:
    """
    Read the file's *text*; *name* is what errors call it.

    Relative file names are taken from *directory*. The templates are read, and the receivers
    built once, so that what cannot work is known now. Raises `DocumentError`.
    """
    root = compose_yaml(text, name)
    return decode_alerting_config(root, name, directory, environment=environment)


def decode_alerting_config(
    root: yaml.Node,
    name: str,
    directory: Path,
    *,
    environment: Mapping[str, str] = _NO_ENVIRONMENT,
) -> AlertingConfig:
    """Read the tree of a file, or of its sections, as `parse_alerting_config` reads a text."""
    config = decode_node(root, name, AlertingConfig, as_text=True)
    faults = [*_faults(config)]
    config, missing = fill_in(config, environment)
    faults += [
        Fault(path, f"the environment has no variable {variable}; set it, or use a file")
        for path, variable in missing
    ]
    templates = tuple(str(directory / pattern) for pattern in config.templates)
    config = msgspec.structs.replace(absolute_files(config, directory), templates=templates)
    if fault := next(iter(faults or _receiver_faults(config)), None):
        raise DocumentError(f"{name}:{line_of(root, fault.path)}: {fault.message}")
    return config


def read_templates(config: AlertingConfig) -> tuple[tuple[str, str], ...]:
    """
    Return the names and the texts of the files that `templates` names, each once.

    Raises `DocumentError` where one cannot be read.
    """
    files: dict[str, str] = {}
    for pattern in config.templates:
        for path in sorted(glob.glob(pattern)):  # noqa: PTH207 - patterns may be absolute
            try:
                files[path] = Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise DocumentError(f"cannot read {path}: {error}") from error
    return tuple(files.items())


class Fault(NamedTuple):
    """What is wrong, and the keys that lead there."""

    path: tuple[Step, ...]
    message: str


def _receiver_faults(config: AlertingConfig) -> Iterator[Fault]:
    """Find receivers that cannot work, by building them once."""
    try:
        templates = NotificationTemplates(read_templates(config), "")
    except InvalidInputError as error:
        yield Fault(("templates",), str(error))
        return
    for index, receiver in enumerate(config.receivers):
        try:
            build_notifiers(receiver, config.global_, SystemClock(), templates, CollectorRegistry())
        except InvalidInputError as error:
            yield Fault(("receivers", index), str(error))


def _faults(config: AlertingConfig) -> Iterator[Fault]:
    """Find what fits no other part of the file, though each part is right by itself."""
    yield from _repeated(config)
    if config.route is None:
        yield Fault((), "there is no `route`; give one, with a `receiver`")
        return
    yield from _root_faults(config.route)
    receivers = {each.name for each in config.receivers}
    intervals = {each.name for each in config.intervals}
    yield from _route_faults(config.route, ("route",), receivers, intervals)


def _repeated(config: AlertingConfig) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, receiver in enumerate(config.receivers):
        if receiver.name in seen:
            yield Fault(
                ("receivers", index, "name"), f"two receivers are {receiver.name!r}; rename one"
            )
        seen.add(receiver.name)
    seen = set()
    for key in ("mute_time_intervals", "time_intervals"):
        for index, interval in enumerate(getattr(config, key)):
            if interval.name in seen:
                yield Fault(
                    (key, index, "name"), f"two time intervals are {interval.name!r}; rename one"
                )
            seen.add(interval.name)


def _root_faults(route: RouteConfig) -> Iterator[Fault]:
    if not route.receiver:
        yield Fault(("route",), "the root route needs a `receiver`, who gets what no other takes")
    for key in ("match", "match_re", "matchers"):
        if getattr(route, key):
            yield Fault(
                ("route", key), f"the root route takes every alert; move `{key}` to one below it"
            )
    for key in ("mute_time_intervals", "active_time_intervals"):
        if getattr(route, key):
            yield Fault(("route", key), f"the root route cannot have `{key}`; move it below")
    if route.continue_:
        yield Fault(("route", "continue"), "no route is beside the root route; remove `continue`")


def _route_faults(
    route: RouteConfig, path: tuple[Step, ...], receivers: set[str], intervals: set[str]
) -> Iterator[Fault]:
    if route.receiver and route.receiver not in receivers:
        yield Fault(
            (*path, "receiver"),
            f"there is no receiver {route.receiver!r}; add it to `receivers` or correct its name",
        )
    for key in ("mute_time_intervals", "active_time_intervals"):
        for name in getattr(route, key):
            if name not in intervals:
                yield Fault(
                    (*path, key),
                    f"there is no time interval {name!r}; add it to `time_intervals`",
                )
    for index, each in enumerate(route.routes):
        yield from _route_faults(each, (*path, "routes", index), receivers, intervals)
