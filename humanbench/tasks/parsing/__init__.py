"""Human parsing: a body part or piece of clothing for every pixel."""

from __future__ import annotations

from humanbench.tasks.base import Task

task = Task(
    package=__name__,
    title="Human parsing",
    question="Which pixel belongs to which part of the body or piece of clothing?",
    hub_tag="image-segmentation",
    columns=("label",),
    label_maps=True,
)
