"""Secrets of a configuration: filled in from the environment, and left out where it is shown."""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
import yaml

from veriscope.signals import Duration, Secret

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_Path = tuple[str | int, ...]
_USER_INFO: Final = re.compile(r"(?<=://)[^/@\s]+@")
_SCHEME: Final = re.compile(r"https?://")
# amtool reads what is shown, and refuses keys that Alertmanager does not have.
_OWN: Final = frozenset({"alertmanager_configs", "apprise_configs", "rate_limit", "timeout_s"})
T = TypeVar("T", bound=msgspec.Struct)


def fill_in(config: T, environment: Mapping[str, str]) -> tuple[T, list[tuple[_Path, str]]]:
    """
    Return *config* with `${NAME}` in its secrets replaced by what *environment* holds.

    And the variables that are not there, with the keys that lead to them. Other values than
    secrets are left as they are: there, `${` is Alertmanager's or the receiver's to read.
    """
    missing: list[tuple[_Path, str]] = []

    def fill(secret: Secret, path: _Path) -> Secret:
        text = secret.reveal()
        missing.extend((path, name) for name in _VARIABLE.findall(text) if name not in environment)
        return Secret(_VARIABLE.sub(lambda found: environment.get(found[1], ""), text))

    return _map_secrets(config, fill, ()), missing


def _map_secrets(value: Any, change: Callable[[Secret, _Path], Secret], path: _Path) -> Any:
    """Return *value* with each secret in it, at any depth, changed."""
    if isinstance(value, Secret):
        return change(value, path)
    if isinstance(value, tuple):
        return tuple(_map_secrets(each, change, (*path, index)) for index, each in enumerate(value))
    if isinstance(value, dict):
        return {key: _map_secrets(each, change, (*path, key)) for key, each in value.items()}
    if not isinstance(value, msgspec.Struct):
        return value
    changed = {
        each.name: _map_secrets(getattr(value, each.name), change, (*path, each.encode_name))
        for each in msgspec.structs.fields(value)
    }
    return msgspec.structs.replace(value, **changed)


def show_config(config: msgspec.Struct) -> str:
    """
    Return *config* as YAML that Alertmanager's tools read, each secret as `<secret>`.

    What only Veriscope has is left out.
    """
    return yaml.safe_dump(_shown(config), sort_keys=False, allow_unicode=True)


def _shown(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _shown(found) for name, found in _given(value)}
    if isinstance(value, Duration | StrEnum):
        return str(value)
    if isinstance(value, str):
        return _shown_text(value)
    if isinstance(value, Mapping):
        return {key: _shown(each) for key, each in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [_shown(each) for each in value]
    return value


def _shown_text(value: str) -> str:
    if not isinstance(value, Secret):
        return _USER_INFO.sub("xxxxx@", value)  # as Go hides it, for amtool reads no "<" here
    # A URL must stay one for amtool to read it, and its scheme is no secret.
    scheme = _SCHEME.match(value.reveal())
    return f"{scheme[0] if scheme else ''}{value}"


def _given(value: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """Give the fields that differ from their defaults, and those that have none."""
    for each in msgspec.structs.fields(value):
        found = getattr(value, each.name)
        default = each.default
        if each.default_factory is not msgspec.NODEFAULT:
            default = each.default_factory()
        if found != default and found is not None and each.encode_name not in _OWN:
            yield each.encode_name, found
