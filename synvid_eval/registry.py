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
from typing import Any, Generic, TypeVar, cast

from synvid_eval.errors import UsageError, nearest

T = TypeVar("T")


def _name(member: Any) -> str:
    return str(member.name)


class Registry(Generic[T]):
    """The plug-ins of one room by name. `base` is the abstract class they derive from; `group` is that of
    other packages' entry points (default: the room's).
    """

    def __init__(self, package: str, base: type[T], what: str, group: str = "") -> None:
        self._package, self._base, self._what, self._group = package, base, what, group or package
        self._found: dict[str, type[T]] | None = None
        self._points: dict[str, importlib.metadata.EntryPoint] = {}

    def _load(self) -> dict[str, type[T]]:
        if self._found is None:
            found: dict[str, Any] = {}
            room = importlib.import_module(self._package)
            for info in pkgutil.iter_modules(room.__path__):
                module = importlib.import_module(f"{self._package}.{info.name}")
                for _, member in inspect.getmembers(module, inspect.isclass):
                    if member.__module__ == module.__name__ and self._is_plugin(member):
                        found[_name(member)] = member
            for point in importlib.metadata.entry_points(group=self._group):
                if point.name not in found:  # another package never takes the place of one of ours
                    self._points[point.name] = point
            self._found = dict(sorted(found.items()))
        return self._found

    def _is_plugin(self, member: Any) -> bool:
        return inspect.isclass(member) and issubclass(member, self._base) and not inspect.isabstract(member)

    def names(self) -> list[str]:
        """All names, sorted; those of other packages are known without being loaded."""
        return sorted({*self._load(), *self._points})

    def get(self, name: str) -> type[T]:
        """The class of that name; UsageError names the nearest, or a plug-in that cannot be loaded."""
        known = self._load()
        if name not in known and name in self._points:
            known[name] = self._plugged(self._points[name])
        if name not in known:
            raise UsageError(f"No {self._what} is called {name!r}.", nearest(name, self.names()))
        return known[name]

    def _plugged(self, point: importlib.metadata.EntryPoint) -> type[T]:
        package = point.dist.name if point.dist else point.value
        try:
            member = point.load()
        except Exception as error:
            raise UsageError(
                f"The {self._what} {point.name!r} of package {package} cannot be loaded "
                f"({type(error).__name__}: {error}).",
                "Mend or remove that package.",
            ) from error
        if not self._is_plugin(member) or _name(member) != point.name:
            raise UsageError(
                f"The {self._what} {point.name!r} of package {package} ({point.value}) is no {self._what} of "
                "that name.",
                "Its class must say the same name as its entry point.",
            )
        return cast(type[T], member)

    def register(self, plugin: type[T]) -> type[T]:
        """Adds a class for this process (usable as a decorator)."""
        self._load()[_name(plugin)] = plugin
        return plugin
