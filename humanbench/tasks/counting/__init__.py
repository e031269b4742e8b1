"""Crowd counting: how many people an image shows."""

from __future__ import annotations

from humanbench.tasks.base import Task

task = Task(
    package=__name__,
    title="Crowd counting",
    question="How many people are there?",
    columns=("points", "count"),
    identity=("points",),
    joint_labels=True,
)
