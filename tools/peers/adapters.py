"""One function per tool and kind of input; runs in a process that sees only that tool's folder of packages.

`python adapters.py TOOL` reads {case: {"kind", "input"}} as JSON on stdin and writes the tool's version and {case:
value in words}; an error is a value too: its name.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import types
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import box_adapters
from words import Adapter, Input, in_words

# Ranking -------------------------------------------------------------------------------------------------------------


def _without_init(*packages: str) -> None:
    """Let modules of packages be imported whose own import needs much more than the module does."""
    for package in packages:
        module = types.ModuleType(package)
        module.__path__ = [str(Path(entry, *package.split("."))) for entry in sys.path]
        sys.modules[package] = module


def torchreid() -> dict[str, Adapter]:
    import numpy as np
    import torch

    _without_init("torchreid", "torchreid.reid", "torchreid.reid.metrics")
    rank = importlib.import_module("torchreid.reid.metrics.rank")
    distance = importlib.import_module("torchreid.reid.metrics.distance")

    def evaluated(distances: Any, given: Input) -> str:
        labels = (np.array(given[key]) for key in ("query_ids", "gallery_ids", "query_cams", "gallery_cams"))
        cmc, ap = rank.evaluate_rank(np.asarray(distances, np.float32), *labels, use_cython=False)
        return in_words({"mAP": ap, "rank-1": cmc[0]})

    def features(given: Input) -> str:
        query, gallery = (torch.tensor(given[key], dtype=torch.float32) for key in ("query", "gallery"))
        return evaluated(distance.compute_distance_matrix(query, gallery, "euclidean").numpy(), given)

    return {"ranking": lambda given: evaluated(given["distances"], given), "features": features}


def fastreid() -> dict[str, Adapter]:
    import numpy as np

    _without_init("fastreid", "fastreid.evaluation")
    rank = importlib.import_module("fastreid.evaluation.rank")

    def ranking(given: Input) -> str:
        labels = (np.array(given[key]) for key in ("query_ids", "gallery_ids", "query_cams", "gallery_cams"))
        distances = np.array(given["distances"], np.float32)
        cmc, aps, _ = rank.evaluate_rank(distances, *labels, max_rank=5, use_cython=False)
        return in_words({"mAP": np.mean(aps), "rank-1": cmc[0]})

    return {"ranking": ranking}


# Maps and attributes -------------------------------------------------------------------------------------------------


def mmsegmentation() -> dict[str, Adapter]:
    import torch

    _without_init("mmseg", "mmseg.evaluation", "mmseg.evaluation.metrics")
    registry = types.ModuleType("mmseg.registry")
    registry.METRICS = types.SimpleNamespace(register_module=lambda: lambda cls: cls)  # type: ignore[attr-defined]
    sys.modules["mmseg.registry"] = registry
    metric = importlib.import_module("mmseg.evaluation.metrics.iou_metric").IoUMetric

    def maps(given: Input) -> str:
        pred, real = (torch.tensor(given[key]) for key in ("pred", "gt"))
        areas = metric.intersect_and_union(pred, real, given["classes"], 255)
        import numpy as np

        result = metric.total_area_to_metrics(*areas, metrics=["mIoU"])
        return in_words({"mIoU": float(np.nanmean(result["IoU"]))})

    return {"maps": maps}


def scikit_learn() -> dict[str, Adapter]:
    import numpy as np
    from sklearn import metrics

    def maps(given: Input) -> str:
        pred, real = (np.array(given[key]).ravel() for key in ("pred", "gt"))
        kept = real != 255
        options = {"labels": range(given["classes"]), "average": "macro", "zero_division": 0}
        return in_words({"mIoU": metrics.jaccard_score(real[kept], pred[kept], **options)})

    def attributes(given: Input) -> str:
        predicted, labels = np.array(given["probabilities"]) > 0.5, np.array(given["labels"])
        means = [metrics.balanced_accuracy_score(labels[:, a], predicted[:, a]) for a in range(labels.shape[1])]
        return in_words({"mA": float(np.mean(means))})

    return {"maps": maps, "attributes": attributes}


# Ours ----------------------------------------------------------------------------------------------------------------


def humanbench() -> dict[str, Adapter]:
    import numpy as np

    from humanbench import metrics, score
    from humanbench.errors import DataWarning

    def shown(scores: Mapping[str, float], names: list[str]) -> str:
        return ", ".join(f"{name} {scores[name]:.1f}" for name in names)

    def scored(given: Input) -> str:
        """What `humanbench score coco_pose` says of a copy that has these annotations and no pictures."""
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            truth = Path(folder, "coco_pose", "annotations", "person_keypoints_val2017.json")
            truth.parent.mkdir(parents=True)
            truth.write_text(json.dumps(given["truth"]), encoding="utf-8")
            Path(folder, "results.json").write_text(json.dumps(given["results"]), encoding="utf-8")
            report = score("coco_pose", Path(folder, "results.json"), folder, resamples=0)
        return shown({name: metric.value for name, metric in report.metrics.items()}, given["show"])

    def keypoints_of_aic(given: Input) -> str:
        sigmas = [0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062]
        sigmas += [0.107, 0.107, 0.087, 0.087, 0.089, 0.089]
        return shown(metrics.keypoint_ap(given["truth"], given["results"], sigmas, area="box"), given["show"])

    def boxes(given: Input) -> str:
        people = {image["id"]: ([], []) for image in given["truth"]["images"]}
        for annotation in given["truth"]["annotations"]:
            people[annotation["image_id"]][0].append([*annotation["bbox"], annotation["iscrowd"]])
        for found in given["results"]:
            if found["category_id"] == 1:
                people[found["image_id"]][1].append([*found["bbox"], found["score"]])
        images = [{"id": i, "width": 400, "height": 300, "gt": gt, "det": det} for i, (gt, det) in people.items()]
        return shown(metrics.crowdhuman(images), ["AP50"])

    def labels(given: Input) -> list[Any]:
        return [given[key] for key in ("query_ids", "gallery_ids", "query_cams", "gallery_cams")]

    def maps(given: Input) -> str:
        pred, gt = (np.array(given[key], np.uint8).reshape(-1, len(given[key][-1])) for key in ("pred", "gt"))
        return shown(metrics.parsing([metrics.confusion(pred, gt, given["classes"])], given["classes"]), ["mIoU"])

    return {
        "keypoints": scored,
        "keypoints of AIC": keypoints_of_aic,
        "boxes": boxes,
        "ranking": lambda given: shown(metrics.reid(given["distances"], *labels(given)), ["mAP", "rank-1"]),
        "features": lambda given: shown(
            metrics.reid_from_features(given["query"], given["gallery"], *labels(given)), ["mAP", "rank-1"]
        ),
        "maps": maps,
        "attributes": lambda given: shown(metrics.attributes(given["probabilities"], given["labels"]), ["mA"]),
    }


def main(tool: str) -> None:
    """Answer for every case of stdin that the tool has a function for."""
    cases = json.load(sys.stdin)
    answers = {}
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        name = tool.replace("-", "_")
        adapters = (globals()[name] if name in globals() else getattr(box_adapters, name))()
        for case, described in cases.items():
            if described["kind"] not in adapters:
                continue
            try:
                answers[case] = adapters[described["kind"]](described["input"])
            except BaseException as error:  # a Rust panic is none of Exception's
                answers[case] = type(error).__name__
    json.dump({"version": "" if tool == "humanbench" else metadata.version(tool), "answers": answers}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
