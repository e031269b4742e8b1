"""Head orientation of a person: which of eight directions the head faces, as seen in the picture."""

from __future__ import annotations

from pathlib import Path

from humanbench.tasks.base import Task

task = Task(
    package=__name__,
    name="heading",
    title="Head orientation",
    question="Which way does the person look?",
    hub_tag="image-classification",
    columns=("heading",),
    identity=("heading",),
    answers_untrained=True,
    recipes=Path(__file__).with_name("heading.toml"),
)
