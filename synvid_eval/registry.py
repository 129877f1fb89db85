"""Finds plug-ins: every module of a room that defines one, and those that other packages declare as entry
points.

A plug-in is one file: putting it into the room is all that is needed. Another package declares
`[project.entry-points."synvid_eval.metrics"]` (or `.features`) with `name = "module:Class"`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
from typing import Any, Generic, TypeVar

from synvid_eval.errors import UsageError, nearest

T = TypeVar("T")


def _name(member: Any) -> str:
    return str(member.name)


class Registry(Generic[T]):
    """The plug-ins of one room by name. `base` is the abstract class they derive from."""

    def __init__(self, package: str, base: type[T], what: str) -> None:
        self._package, self._base, self._what = package, base, what
        self._found: dict[str, type[T]] | None = None

    def _load(self) -> dict[str, type[T]]:
        if self._found is None:
            found: dict[str, Any] = {}
            room = importlib.import_module(self._package)
            for info in pkgutil.iter_modules(room.__path__):
                module = importlib.import_module(f"{self._package}.{info.name}")
                for _, member in inspect.getmembers(module, inspect.isclass):
                    if member.__module__ == module.__name__ and self._is_plugin(member):
                        found[_name(member)] = member
            for point in importlib.metadata.entry_points(group=self._package):
                member = point.load()
                if not self._is_plugin(member):
                    raise TypeError(f"entry point {point.value} is no {self._base.__name__}")
                found[point.name] = member
            self._found = dict(sorted(found.items()))
        return self._found

    def _is_plugin(self, member: Any) -> bool:
        return inspect.isclass(member) and issubclass(member, self._base) and not inspect.isabstract(member)

    def names(self) -> list[str]:
        """All names, sorted."""
        return list(self._load())

    def get(self, name: str) -> type[T]:
        """The class of that name; UsageError names the nearest known one."""
        known = self._load()
        if name not in known:
            raise UsageError(f"No {self._what} is called {name!r}.", nearest(name, known))
        return known[name]

    def register(self, plugin: type[T]) -> type[T]:
        """Adds a class for this process (usable as a decorator)."""
        self._load()[_name(plugin)] = plugin
        return plugin
