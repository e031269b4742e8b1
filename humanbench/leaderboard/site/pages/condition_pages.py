"""The pages that set conditions side by side: which of them a site has."""

from __future__ import annotations

from humanbench.leaderboard.site.pages.few_labels import has_few_labels
from humanbench.leaderboard.site.pages.page import Content
from humanbench.leaderboard.site.pages.robustness import has_corrupted

FEW_LABELS = "Trained on 1 %, 10 % and 25 % of the labels: who needs fewer of them."
ROBUSTNESS = "Tested on blurred, noisy, dark and hidden pictures: who loses least."


def condition_pages(content: Content) -> list[tuple[str, str, str]]:
    """Path, title, and what it is about."""
    return [
        *[("few-labels.html", "Few labels", FEW_LABELS)] * has_few_labels(content),
        *[("robustness.html", "Robustness", ROBUSTNESS)] * has_corrupted(content),
    ]
