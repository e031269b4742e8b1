"""Another package's task: which way heads face, in eight classes. Its pictures are procedural ones only."""

from __future__ import annotations

from pathlib import Path

from humanbench.tasks.base import Task

task = Task(
    name="direction",
    title="Head direction",
    question="Which way does the head face?",
    hub_tag="image-classification",
    suffix=".csv",
    package=__name__,
    columns=("direction",),
    identity=("direction",),
)


def card() -> Path:
    """The task's one dataset."""
    return Path(__file__).with_name("mydirections.toml")
