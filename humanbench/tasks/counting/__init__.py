"""Crowd counting: how many people an image shows."""

from __future__ import annotations

from humanbench.tasks.base import Task

task = Task(
    name="counting",
    title="Crowd counting",
    question="How many people are there?",
    hub_tag="other",
    suffix=".csv",
    package=__name__,
    columns=("points", "count"),
    identity=("points",),
    joint_labels=True,
)
