"""What `verify` found: a row per check, and the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Row:
    """One check of a split (or of the dataset: split ""): what was expected, what was found.

    `warn` is a difference that does not speak against the copy: the expectation itself is unsure.
    """

    check: str
    split: str
    expected: str | int
    found: str | int
    status: Status


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of a dataset, the fingerprint of its content ("" where it could not be read), and what release that is.

    `release` is `mannequin` for a procedural copy, the name of a known release, or "" where none is recognised.
    """

    dataset: str
    folder: str
    release: str
    fingerprint: str
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(row.status != "fail" for row in self.rows)

    @property
    def title(self) -> str:
        """The dataset, its release and the number of rows that are not ok, in a line."""
        states: Mapping[str, int] = {s: sum(row.status == s for row in self.rows) for s in ("fail", "warn")}
        release = "mannequin, a procedural copy" if self.release == "mannequin" else self.release
        parts = [release or "release not recorded", f"{states['fail']} failed", f"{states['warn']} unsure"]
        return f"{self.dataset} ({', '.join(parts)})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"ok": self.ok} | asdict(self)
