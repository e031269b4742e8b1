"""What a checkpoint filled, what it lacked, what of it was not used, and what had to be guessed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_SHOWN = 3


@dataclass(frozen=True)
class LoadReport:
    """The outcome of loading a checkpoint into a network.

    `source`: where the file came from; `file`: its own name; `sha256`: of its bytes; `revision`: the commit of a hub
    repository, empty elsewhere. `scheme`: the naming scheme that was recognised; `container`: where in the file the
    network lay, empty where the file holds it at the top.
    `loaded`, `missing`: names of the network's tensors; `left_over`: name in the checkpoint -> why it is not used;
    `notes`: what was converted (a resized position embedding, a dropped class token ...); `guesses`: what neither the
    file nor the caller says, and what was taken instead.
    """

    source: str
    sha256: str
    scheme: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    left_over: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    file: str = ""
    container: str = ""
    revision: str = ""

    def to_text(self) -> str:
        """The report for people: counts, notes, guesses, and the names left over under each reason."""
        lines = [f"{self.source}{f' (revision {self.revision})' if self.revision else ''}"]
        lines.append(f"  naming: {self.scheme}; sha256 {self.sha256}")
        if self.container:
            lines.append(f"  taken from {self.container} of the file")
        lines.append(f"  loaded {len(self.loaded)} of {len(self.loaded) + len(self.missing)} tensors")
        lines.extend(f"  not in the checkpoint: {name}" for name in self.missing)
        lines.extend(f"  {note}" for note in self.notes)
        lines.extend(f"  guessed: {guess}" for guess in self.guesses)
        for reason, names in self._by_reason().items():
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            lines.append(f"  left over, {reason}: {', '.join(names[:_SHOWN])}{more}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for `backbone.json`: what was loaded as a number, all else by name."""
        return {
            "source": self.source,
            "file": self.file,
            "sha256": self.sha256,
            "revision": self.revision,
            "naming": self.scheme,
            "container": self.container,
            "loaded": len(self.loaded),
            "missing": list(self.missing),
            "left_over": {reason: list(names) for reason, names in self._by_reason().items()},
            "notes": list(self.notes),
            "guesses": list(self.guesses),
        }

    def _by_reason(self) -> dict[str, list[str]]:
        """Names left over under each reason, in the order of the file."""
        reasons: dict[str, list[str]] = {}
        for name, reason in self.left_over.items():
            reasons.setdefault(reason, []).append(name)
        return reasons
