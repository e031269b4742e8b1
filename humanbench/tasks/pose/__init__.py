"""2D human pose estimation."""

from __future__ import annotations

from typing import Literal

from humanbench.schema import Fraction
from humanbench.tasks.base import MetricOptions, Task

PoseMetric = Literal["keypoint_ap", "pckh", "epe"]


class PoseEvaluationOptions(MetricOptions):
    """`metric`: `keypoint_ap` (people are found by the model; COCO, AIC), `pckh` or `epe` (the people are given).

    `area` is the one of `keypoint_ap`; `joint_threshold` and `oks_nms` are those of rescoring and suppression of found
    people. `boxes` and `detections` say whose boxes the benchmark crops, `detection_count` how many there are, and
    `image_name` how an image's file is called by its id. `masked_joints` stay out of the mean of `pckh`.
    """

    metric: PoseMetric
    split_metrics: dict[str, PoseMetric] = {}  # type: ignore[assignment]
    area: Literal["annotation", "box"] = "annotation"
    boxes: Literal["annotations", "detections"] = "annotations"
    detections: str = ""
    detection_count: int = 0
    image_name: str = "{image_id}"
    joint_threshold: Fraction = 0.2  # HRNet's in_vis_thre
    oks_nms: Fraction = 0.9  # HRNet's oks_thre
    masked_joints: tuple[int, ...] = ()


task = Task(
    package=__name__,
    title="Pose estimation",
    question="Where are the joints of a person?",
    hub_tag="keypoint-detection",
    columns=("image_id", "annotation_id", "bbox", "keypoints", "area", "iscrowd"),
    identity=("bbox", "keypoints", "iscrowd"),
    options=PoseEvaluationOptions,
)
