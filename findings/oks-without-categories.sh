#!/usr/bin/env bash
# With `params.useCats = 0` pycocotools scores keypoints that are found exactly with AP 0, and boxes that are found exactly
# with AP 1.
#
# Input: COCO ground truth of two pictures with a person each, box and 17 labelled points, and results that find both exactly.
# There is one category, so asking to match without categories ("category agnostic") should change nothing: that was the
# guess.
# Seen, with `useCats = 0`:
#   pycocotools 2.0.11            boxes AP 1; keypoints AP 0 without a word: people are looked up under category -1, where
#                                 boxes have a branch of their own and keypoints have none
#   faster-coco-eval 1.8.0        boxes AP 1; keypoints RuntimeError
#   ultrafast-pycocotools 0.1.14  AP 1 for both; it is described as a bit-exact drop-in replacement for pycocotools
#   hotcoco 1.3.0                 AP 1 for both
# With `useCats = 1` all four say AP 1 for both.
# The script ends with 0 as long as that is so, and with 1 when a tool does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pycocotools==2.0.11 faster-coco-eval==1.8.0 ultrafast-pycocotools==0.1.14 hotcoco==1.3.0
cat > "$folder/compare.py" <<'PY'
import contextlib, importlib, io, json, sys
from pathlib import Path

TOOLS = {  # modules, class, and what keypoints come to without categories
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval", "COCOeval", "AP 0"),
    "faster-coco-eval": ("faster_coco_eval", "faster_coco_eval", "COCOeval_faster", "RuntimeError"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools.coco", "ultrafast_pycocotools.cocoeval", "COCOeval", "AP 1"),
    "hotcoco": ("hotcoco", "hotcoco", "COCOeval", "AP 1"),
}
points = [v for i in range(17) for v in (10.0 + 5 * i, 20.0 + 9 * i, 2)]
person = {"category_id": 1, "bbox": [10.0, 20.0, 80.0, 144.0], "area": 9000.0, "iscrowd": 0, "keypoints": points}
truth = {
    "info": {}, "licenses": [], "images": [{"id": i, "width": 400, "height": 300, "file_name": f"{i}.jpg"} for i in (1, 2)],
    "annotations": [person | {"id": i, "image_id": i, "num_keypoints": 17} for i in (1, 2)],
    "categories": [{"id": 1, "name": "person", "keypoints": [f"k{i}" for i in range(17)], "skeleton": []}],
}
RESULTS = {
    "bbox": [{"image_id": i, "category_id": 1, "score": 0.9, "bbox": person["bbox"]} for i in (1, 2)],
    "keypoints": [{"image_id": i, "category_id": 1, "score": 0.9, "keypoints": points} for i in (1, 2)],
}
folder = Path(sys.argv[1])
(folder / "truth.json").write_text(json.dumps(truth))


def average_precision(tool, kind, categories):
    coco, module, name, _ = TOOLS[tool]
    results = folder / f"{kind}.json"
    results.write_text(json.dumps(RESULTS[kind]))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            real = importlib.import_module(coco).COCO(str(folder / "truth.json"))
            evaluation = getattr(importlib.import_module(module), name)(real, real.loadRes(str(results)), kind)
            evaluation.params.useCats = categories
            for step in ("evaluate", "accumulate", "summarize"):
                getattr(evaluation, step)()
            return f"AP {round(float(evaluation.stats[0]), 6):g}"
        except Exception as error:
            return type(error).__name__


changed = False
for tool, (_, _, _, without) in TOOLS.items():
    for kind in RESULTS:
        for categories in (1, 0):
            seen = average_precision(tool, kind, categories)
            expected = without if kind == "keypoints" and not categories else "AP 1"
            changed |= seen != expected
            print(f"{tool}, {kind}, useCats={categories}: {seen}" + ("" if seen == expected else f" (was {expected})"))
sys.exit(int(changed))
PY
"$folder/venv/bin/python" "$folder/compare.py" "$folder"
