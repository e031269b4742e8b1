"""Person re-identification: rank a gallery for every query."""

from __future__ import annotations

from typing import Literal

from humanbench.tasks.base import EvaluationOptions, Task


class ReidEvaluationOptions(EvaluationOptions):
    """`distance`: of features, as they are in the file; `euclidean` (the default) or `cosine`."""

    distance: Literal["euclidean", "cosine"] = "euclidean"


task = Task(
    package=__name__,
    title="Person re-identification",
    question="Which picture shows the same person, seen by another camera?",
    hub_tag="image-feature-extraction",
    columns=("pid", "camid"),
    identity=("pid", "camid"),
    options=ReidEvaluationOptions,
    answers_headless=True,
    joint_labels=True,
)
