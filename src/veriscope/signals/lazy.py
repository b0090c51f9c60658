"""Packages whose public names are loaded when they are first used."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """
    Return the `__getattr__` of *package*: each name of *homes* comes from its module.

    A module's name is relative to the package where it begins with a dot. The function raises
    AttributeError for a name that is not public.
    """

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(home, package), name)
        setattr(sys.modules[package], name, found)
        return found

    return load
