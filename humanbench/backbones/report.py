"""What a checkpoint filled, what it lacked, and what of it was not used."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoadReport:
    """The outcome of loading a checkpoint into a network.

    `source`: where the file came from; `sha256`: of the file's bytes; `scheme`: the naming scheme that was recognised.
    `loaded`, `missing`: names of the network's tensors; `left_over`: name in the checkpoint -> why it is not used;
    `notes`: what was converted (a resized position embedding, a dropped class token ...).
    """

    source: str
    sha256: str
    scheme: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    left_over: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """The report for people: counts, notes, and the names left over under each reason."""
        lines = [f"{self.source}", f"  naming: {self.scheme}; sha256 {self.sha256}"]
        lines.append(f"  loaded {len(self.loaded)} of {len(self.loaded) + len(self.missing)} tensors")
        lines.extend(f"  not in the checkpoint: {name}" for name in self.missing)
        lines.extend(f"  {note}" for note in self.notes)
        for reason in dict.fromkeys(self.left_over.values()):
            names = [name for name, why in self.left_over.items() if why == reason]
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            lines.append(f"  left over, {reason}: {', '.join(names[:3])}{more}")
        return "\n".join(lines)
