"""Writes the table of all datasets in docs/datasets.md: `python -m tools.cards_table`."""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard, cards
from humanbench.tasks.registry import task_names

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "datasets.md"
_START, _END = "<!-- table -->", "<!-- /table -->"


def table() -> str:
    """A Markdown row per dataset, grouped by task."""
    lines = [
        "| dataset | task | splits (samples) | main metric | paper's images | access |",
        "|---|---|---|---|---|---|",
    ]
    for card in sorted(cards().values(), key=lambda c: (task_names().index(c.task), c.evaluation is None, c.id)):
        lines.append("| " + " | ".join(_cells(card)) + " |")
    return "\n".join(lines)


def _cells(card: DatasetCard) -> list[str]:
    splits = []
    for name, split in card.splits.items():
        count = split.samples or split.images
        doubt = "?" if {"samples", "images"} & set(split.unsure) else ""
        mark = {"public": "", "withheld": " (labels withheld)", "pseudo": " (pseudo labels)"}[split.labels]
        unit = " pictures" if card.task == "pose" and not split.samples else ""  # a sample of pose is a person
        splits.append(f"{name} {count:,}{doubt}{unit}{mark}" if count else f"{name}{mark}")
    use = card.pretraining
    images = "" if use is None else f"{use.images:,}" + (" (in the 15)" if use.subset else "")
    metric = card.evaluation.main if card.evaluation else ""
    return [f"{card.name} (`{card.id}`)", card.task, ", ".join(splits), metric, images, card.access.kind]


def main() -> None:
    """Replace the table between the markers."""
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_START)
    _, _, after = rest.partition(_END)
    _PAGE.write_text(f"{before}{_START}\n{table()}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
