"""The configuration as Alertmanager would print it: what is not default, secrets hidden."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import yaml

from veriscope.signals import Duration, Secret

_HIDDEN: Final = "<secret>"
_USER_INFO: Final = re.compile(r"(?<=://)[^/@\s]+@")
_SCHEME: Final = re.compile(r"https?://")
# amtool reads this text, and refuses keys that Alertmanager does not have.
_OWN: Final = frozenset({"alertmanager_configs", "apprise_configs", "rate_limit"})


def original(config: msgspec.Struct) -> str:
    """Return *config* as YAML, without the keys that only Veriscope has."""
    return yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one arm for each kind of value
    match value:
        case msgspec.Struct():
            return _given(value)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case tuple() | list():
            return [_plain(inner) for inner in value]
        case Secret():
            # A URL must stay one for amtool to read it, and its scheme is no secret.
            scheme = _SCHEME.match(value.reveal())
            return f"{scheme[0] if scheme else ''}{_HIDDEN}"
        case Duration():
            return str(value)
        case str():
            return _USER_INFO.sub(f"{_HIDDEN}@", str(value))
        case _:
            return value


def _given(struct: msgspec.Struct) -> dict[str, Any]:
    """Return what *struct* has that is not default."""
    return {
        each.encode_name: _plain(value)
        for each in msgspec.structs.fields(struct)
        if each.encode_name not in _OWN and (value := getattr(struct, each.name)) != _default(each)
    }


def _default(each: msgspec.structs.FieldInfo) -> Any:
    if each.default_factory is not msgspec.NODEFAULT:
        return each.default_factory()
    return each.default
