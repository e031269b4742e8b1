"""Catalogues: what there is of a kind, by name; ours, and what installed packages bring along as entry points.

A package adds an entry by naming the object under its own name in its metadata; nothing is registered by importing it:

    [project.entry-points."humanbench.optimisers"]
    lion = "my_package.lion:LION"
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from humanbench.errors import HumanbenchError
from humanbench.text import nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class Named(Protocol):
    """What a catalogue holds."""

    @property
    def name(self) -> str:
        """What recipes, options and results call it."""


Item = TypeVar("Item", bound=Named)


class Catalogue(Generic[Item]):
    """Entries of one kind by name: `ours` in their order, then those of entry points of `group` by name.

    `what` is the word for one of them in messages. Entry points are looked for when a name is not ours, or when all
    entries are asked for; each is loaded when it is used.
    """

    def __init__(self, what: str, group: str, ours: Iterable[Item]) -> None:
        self.what, self.group = what, group
        self._ours = {item.name: item for item in ours}

    def names(self) -> tuple[str, ...]:
        """All names."""
        return (*self._ours, *self._points())

    def __iter__(self) -> Iterator[Item]:
        return (self[name] for name in self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._ours or name in self._points())

    def __getitem__(self, name: str) -> Item:
        """The entry; `HumanbenchError` with the near misses where there is none."""
        if name in self._ours:
            return self._ours[name]
        if (point := self._points().get(name)) is None:
            raise HumanbenchError(self._unknown(name))
        try:
            item = point.load()
        except (ImportError, AttributeError) as error:
            raise HumanbenchError(f"{self._words(point)} cannot be loaded: {error}") from error
        kind = type(next(iter(self._ours.values())))
        if not isinstance(item, kind) or item.name != name:
            raise HumanbenchError(f"{self._words(point)} is no {kind.__name__} of that name")
        return item

    def place(self, name: str) -> int:
        """Where the name stands among all; behind them if it is none."""
        names = self.names()
        return names.index(name) if name in names else len(names)

    def checked(self, name: str) -> str:
        """The name, for a field of a record; what is wrong with it becomes the record's error."""
        if name not in self:
            from pydantic_core import PydanticCustomError

            raise PydanticCustomError("unknown_name", "{text}", {"text": self._unknown(name)})
        return name

    def _words(self, point: EntryPoint) -> str:
        return f"the entry point {point.name} of {self.group} ({point.value})"

    def _unknown(self, name: str) -> str:
        names = self.names()
        return f"no {self.what} is called {name!r}{nearest(name, names)} ({', '.join(names)})"

    def _points(self) -> dict[str, EntryPoint]:
        points = _points(self.group, tuple(sys.path))
        if twice := sorted(set(points) & set(self._ours)):
            raise HumanbenchError(
                f"{points[twice[0]].value}: the name {twice[0]} is taken by humanbench's own {self.what}"
            )
        return points


@lru_cache(maxsize=32)
def _points(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Entry points of a group by name, as installed in these places."""
    from importlib.metadata import entry_points

    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}
