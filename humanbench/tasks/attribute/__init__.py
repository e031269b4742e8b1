"""Pedestrian attribute recognition: several yes-no questions per image."""

from __future__ import annotations

from humanbench.tasks.base import Task

task = Task(
    package=__name__,
    title="Pedestrian attributes",
    question="What does the person look like, wear and carry?",
    hub_tag="image-classification",
    attribute_columns=True,
    answers_untrained=True,
    joint_labels=True,
)
