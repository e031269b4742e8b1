"""Pedestrian detection."""

from __future__ import annotations

from typing import Literal

from humanbench.tasks.base import MetricOptions, Task

DetectionMetric = Literal["crowdhuman", "caltech", "caltech_paper"]
CaltechSubset = Literal["heavy", "reasonable", "all"]


class DetectionEvaluationOptions(MetricOptions):
    """`metric`: `crowdhuman`, `caltech` or `caltech_paper` (CrowdHuman's way on the paper's list of Caltech frames).

    `caltech` has `subset`, the headline's, and `beside`, subsets reported as `<metric>-<subset>`.
    """

    metric: DetectionMetric
    split_metrics: dict[str, DetectionMetric] = {}  # type: ignore[assignment]
    subset: CaltechSubset = "heavy"
    beside: tuple[CaltechSubset, ...] = ()


task = Task(
    package=__name__,
    title="Pedestrian detection",
    question="Where are people, even in a crowd?",
    hub_tag="object-detection",
    columns=("boxes", "ignore", "visible"),
    identity=("boxes", "ignore"),
    options=DetectionEvaluationOptions,
    joint_labels=True,
)
