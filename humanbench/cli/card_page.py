"""A dataset card as a page of text for people."""

from __future__ import annotations

import textwrap

from humanbench.cards import DatasetCard, ReadFrom, Split
from humanbench.data.samples import dataset_folder
from humanbench.data_root import DataRoot
from humanbench.text import paragraph

_READ_FROM: dict[ReadFrom, str] = {
    "real files": "the reader was tried on real files of this dataset",
    "documented form": "the reader follows the documented form; no real file of this dataset was at hand",
}


def card_page(card: DatasetCard, state: str, data_root: DataRoot | None) -> str:
    """The card in plain text: identity, access, layout, splits, labels, evaluation, pretraining use, open questions."""
    parts = [
        f"{card.name}  ({card.id}, {card.task})",
        _fields(
            {
                "paper": f"{card.paper.title} ({card.paper.venue} {card.paper.year})",
                "homepage": card.homepage,
                "licence": card.licence,
                "consent": card.consent,
                "access": f"{card.access.kind}: {card.access.how}",
                "size": card.access.size,
                "files": _files(card),
                "read from": _READ_FROM[card.reader.read_from],
                "on disk": f"{state}: {dataset_folder(card, data_root)}",
            }
        ),
        "Layout\n" + textwrap.indent(card.reader.tree.strip("\n"), "  "),
        _splits(card),
    ]
    parts += [text for text in (_labels(card), _evaluation(card), _pretraining(card)) if text]
    for title, lines in (("Notes", card.notes), ("Unsure", card.unsure), ("Sources", card.sources)):
        if lines:
            parts.append("\n".join([title, *(paragraph("  - ", line) for line in lines)]))
    return "\n\n".join(parts)


def _files(card: DatasetCard) -> str:
    files = ", ".join(file.to for file in card.access.files)
    rest = "" if card.access.whole else "; the rest by hand"
    return f"`humanbench datasets download {card.id}` fetches {files}{rest}" if files else ""


def _fields(values: dict[str, str]) -> str:
    lines = [paragraph(f"  {name:<10}", value) for name, value in values.items() if value]
    return "\n".join(lines)


def _splits(card: DatasetCard) -> str:
    width = max(10, *map(len, card.splits)) + 2
    return "Splits\n" + "\n".join(_split(name, split, width) for name, split in card.splits.items())


def _split(name: str, split: Split, width: int) -> str:
    counts = [
        f"{value:,} {count}{' (unsure)' if count in split.unsure else ''}" for count, value in split.counts().items()
    ]
    state = {"public": "", "withheld": "labels withheld", "pseudo": "pseudo labels only"}[split.labels]
    text = ", ".join([*counts, *([state] if state else [])]) or "counts not stated by any source"
    return paragraph(f"  {name:<{width}}", f"{text}{'. ' + split.note if split.note else ''}")


def _labels(card: DatasetCard) -> str:
    labels = card.labels
    names = labels.keypoints or labels.classes or labels.attributes
    if not names:
        return ""
    kind = "keypoints" if labels.keypoints else "classes" if labels.classes else "attributes"
    listed = ", ".join(f"{i} {name}" for i, name in enumerate(names))
    text = f"Labels: {len(names)} {kind}\n" + paragraph("  ", listed)
    if labels.flip_pairs:
        pairs = ", ".join(f"{names[a]} <-> {names[b]}" for a, b in labels.flip_pairs)
        text += "\n" + paragraph("  ", f"under a flip: {pairs}")
    if labels.ids:
        text += "\n" + paragraph("  ", "stored as: " + ", ".join(map(str, labels.ids)))
    return text + ("\n" + paragraph("  ", labels.note) if labels.note else "")


def _evaluation(card: DatasetCard) -> str:
    rules = card.evaluation
    if rules is None:
        return ""
    return "\n".join(
        [
            f"Evaluation: {rules.main} on {' + '.join(rules.test)}, trained on {' + '.join(rules.train) or 'nothing'}",
            paragraph("  ", f"reports {', '.join(rules.report)}"),
            paragraph("  ", rules.definition),
        ]
    )


def _pretraining(card: DatasetCard) -> str:
    use = card.pretraining
    if use is None:
        return ""
    sets = " and in the 15-dataset collection" if use.subset else ""
    counts = paragraph("  ", f"{use.images:,} images in the paper's table 6: {use.counts}")
    return f"Pretraining: in the paper's 37-dataset collection{sets}\n{counts}"
