"""Progress for people: on stderr, and only where stderr is a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], text: str, total: int | None = None) -> Iterable[T]:
    """The items, with a bar that vanishes at the end."""
    from rich.console import Console
    from rich.progress import track as bar

    console = Console(stderr=True)
    return bar(items, text, total=total, console=console, transient=True, disable=not console.is_terminal)
