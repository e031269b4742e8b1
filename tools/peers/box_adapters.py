"""COCO's evaluation and boxes in files: one function per tool, which gives its function for each kind of input."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from words import Adapter, Input, in_words

KEYPOINT_STATS = {"AP": 0, "APl": 4, "AR": 5}
BOX_STATS = {"AP": 0, "AP50": 1}


# Tools with pycocotools' interface -----------------------------------------------------------------------------------


def coco_like(coco: Any, evaluation: Any, kind: str, **options: Any) -> Adapter:
    """AP of `COCO(file)`, `loadRes(file)` and `COCOeval(...)`, through files as users do."""

    def run(given: Input) -> str:
        with tempfile.TemporaryDirectory() as folder:
            truth, results = Path(folder, "truth.json"), Path(folder, "results.json")
            truth.write_text(json.dumps(given["truth"]))
            results.write_text(json.dumps(given["results"]))
            real = coco(str(truth))
            evaluated = evaluation(real, real.loadRes(str(results)), kind, **options)
            for step in ("evaluate", "accumulate", "summarize"):
                getattr(evaluated, step)()
        names = KEYPOINT_STATS if kind == "keypoints" else BOX_STATS
        return in_words({name: evaluated.stats[names[name]] for name in given["show"]})

    return run


def mask_like(encode: Callable[..., Any], decode: Callable[..., Any]) -> Adapter:
    def run(given: Input) -> str:
        import numpy as np

        label_map = np.asfortranarray(np.array(given["map"], np.uint8))
        back = decode(encode(label_map))
        return f"{int((np.asarray(back) > 0).sum())} pixels"

    return run


def coco_clone(package: str, evaluation: str = "COCOeval", masks: bool = True) -> dict[str, Adapter]:
    coco = importlib.import_module(f"{package}.coco").COCO
    evaluator = getattr(importlib.import_module(f"{package}.cocoeval"), evaluation)
    adapters = {"keypoints": coco_like(coco, evaluator, "keypoints"), "boxes": coco_like(coco, evaluator, "bbox")}
    if masks:
        mask = importlib.import_module(f"{package}.mask")
        adapters["mask"] = mask_like(mask.encode, mask.decode)
    return adapters


def pycocotools() -> dict[str, Adapter]:
    return coco_clone("pycocotools")


def ultrafast_pycocotools() -> dict[str, Adapter]:
    return coco_clone("ultrafast_pycocotools")


def xtcocotools() -> dict[str, Adapter]:
    adapters = coco_clone("xtcocotools")
    module = importlib.import_module("xtcocotools.cocoeval")
    coco = importlib.import_module("xtcocotools.coco").COCO
    adapters["keypoints of AIC"] = coco_like(coco, module.COCOeval, "keypoints", use_area=False)
    return adapters


def faster_coco_eval() -> dict[str, Adapter]:
    import faster_coco_eval as package

    mask = importlib.import_module("faster_coco_eval.core.mask")
    return {
        "keypoints": coco_like(package.COCO, package.COCOeval_faster, "keypoints"),
        "boxes": coco_like(package.COCO, package.COCOeval_faster, "bbox"),
        "mask": mask_like(mask.encode, mask.decode),
    }


def hotcoco() -> dict[str, Adapter]:
    import hotcoco as package

    return {
        "keypoints": coco_like(package.COCO, package.COCOeval, "keypoints"),
        "boxes": coco_like(package.COCO, package.COCOeval, "bbox"),
        "mask": mask_like(package.mask.encode, package.mask.decode),
    }


# Boxes ---------------------------------------------------------------------------------------------------------------


def torchmetrics() -> dict[str, Adapter]:
    import torch
    from torchmetrics.classification import MulticlassJaccardIndex, MultilabelRecall, MultilabelSpecificity
    from torchmetrics.detection import MeanAveragePrecision

    def boxes(given: Input) -> str:
        metric = MeanAveragePrecision(box_format="xywh")
        for image in given["truth"]["images"]:
            real = [a for a in given["truth"]["annotations"] if a["image_id"] == image["id"]]
            found = [d for d in given["results"] if d["image_id"] == image["id"]]
            metric.update(
                [
                    {
                        "boxes": torch.tensor([d["bbox"] for d in found], dtype=torch.float32).reshape(-1, 4),
                        "scores": torch.tensor([d["score"] for d in found], dtype=torch.float32),
                        "labels": torch.tensor([d["category_id"] for d in found], dtype=torch.long),
                    }
                ],
                [
                    {
                        "boxes": torch.tensor([a["bbox"] for a in real], dtype=torch.float32).reshape(-1, 4),
                        "labels": torch.tensor([a["category_id"] for a in real], dtype=torch.long),
                        "iscrowd": torch.tensor([a["iscrowd"] for a in real], dtype=torch.long),
                    }
                ],
            )
        result = metric.compute()
        return in_words({name: result[{"AP": "map", "AP50": "map_50"}[name]] for name in given["show"]})

    def maps(given: Input) -> str:
        metric = MulticlassJaccardIndex(given["classes"], average="macro", ignore_index=255)
        pred, real = (torch.tensor(given[key]) for key in ("pred", "gt"))
        return in_words({"mIoU": metric(pred, real)})

    def attributes(given: Input) -> str:
        options = {"num_labels": len(given["labels"][0]), "average": "macro"}
        scores, labels = torch.tensor(given["probabilities"]), torch.tensor(given["labels"])
        rates = [metric(**options)(scores, labels) for metric in (MultilabelRecall, MultilabelSpecificity)]
        return in_words({"mA": sum(rates) / 2})

    return {"boxes": boxes, "maps": maps, "attributes": attributes}


def globox() -> dict[str, Adapter]:
    from globox import Annotation, AnnotationSet, BoundingBox, COCOEvaluator

    def annotations(given: Input, key: str) -> Any:
        entries = given["truth"]["annotations"] if key == "truth" else given["results"]
        images = []
        for image in given["truth"]["images"]:
            boxes = [
                BoundingBox.create(
                    label=str(e["category_id"]), coords=tuple(e["bbox"]), confidence=e.get("score"), box_format=_ltwh()
                )
                for e in entries
                if e["image_id"] == image["id"]
            ]
            images.append(Annotation(str(image["id"]), (400, 300), boxes))
        return AnnotationSet(images)

    def _ltwh() -> Any:
        from globox import BoxFormat

        return BoxFormat.LTWH

    def boxes(given: Input) -> str:
        evaluation = COCOEvaluator(ground_truths=annotations(given, "truth"), predictions=annotations(given, "found"))
        return in_words({name: {"AP": evaluation.ap, "AP50": evaluation.ap_50}[name]() for name in given["show"]})

    def voc(given: Input) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.xml")
            left, top, width, height = given["box"]
            box = BoundingBox(label="person", xmin=left, ymin=top, xmax=left + width, ymax=top + height)
            Annotation("a.jpg", tuple(given["size"]), [box]).save_pascal_voc(path)
            return _corners(path)

    def read_voc(given: Input) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.xml")
            path.write_text(given["xml"])
            (box,) = Annotation.from_pascal_voc(path).boxes
            return f"x {box.xmin:g} to {box.xmax:g}, y {box.ymin:g} to {box.ymax:g}"

    return {"boxes": boxes, "voc": voc, "read voc": read_voc}


def _corners(path: Path) -> str:
    import xml.etree.ElementTree as ElementTree

    box = ElementTree.parse(path).getroot().find("object/bndbox")
    assert box is not None
    x0, x1, y0, y1 = (f"{float(box.findtext(name) or 'nan'):g}" for name in ("xmin", "xmax", "ymin", "ymax"))
    return f"x {x0} to {x1}, y {y0} to {y1}"


def supervision() -> dict[str, Adapter]:
    import numpy as np
    import supervision as sv

    def detections(entries: list[Any], scored: bool) -> Any:
        corners = np.array([e["bbox"] for e in entries], np.float32).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        return sv.Detections(
            xyxy=corners,
            class_id=np.array([e["category_id"] for e in entries], int),
            confidence=np.array([e["score"] for e in entries], np.float32) if scored else None,
            data={} if scored else {"iscrowd": np.array([e["iscrowd"] for e in entries], int)},
        )

    def boxes(given: Input) -> str:
        metric = sv.metrics.MeanAveragePrecision()
        for image in given["truth"]["images"]:
            real = [a for a in given["truth"]["annotations"] if a["image_id"] == image["id"]]
            found = [d for d in given["results"] if d["image_id"] == image["id"]]
            metric.update(detections(found, True), detections(real, False))
        result = metric.compute()
        return in_words({name: {"AP": result.map50_95, "AP50": result.map50}[name] for name in given["show"]})

    def voc(given: Input) -> str:
        left, top, width, height = given["box"]
        found = sv.Detections(np.array([[left, top, left + width, top + height]], float), class_id=np.array([0]))
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder, "a.png")
            _save_picture(picture, given["size"])
            made = sv.DetectionDataset(classes=["person"], images=[str(picture)], annotations={str(picture): found})
            made.as_pascal_voc(annotations_directory_path=folder)
            return _corners(Path(folder, "a.xml"))

    def read_voc(given: Input) -> str:
        with tempfile.TemporaryDirectory() as folder:
            _save_picture(Path(folder, "a.png"), given["size"])
            Path(folder, "a.xml").write_text(given["xml"])
            read = sv.DetectionDataset.from_pascal_voc(folder, folder)
            x0, y0, x1, y1 = next(iter(read.annotations.values())).xyxy[0].tolist()
            return f"x {x0:g} to {x1:g}, y {y0:g} to {y1:g}"

    return {"boxes": boxes, "voc": voc, "read voc": read_voc}


def _save_picture(path: Path, size: list[int]) -> None:
    from PIL import Image

    Image.new("RGB", tuple(size)).save(path)
