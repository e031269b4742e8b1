#!/usr/bin/env bash
# Two COCO-API clones give AP -1 for a keypoint file that a third scores 100 and pycocotools refuses.
#
# Input: COCO keypoint ground truth of two people, each with 17 labelled points, whose annotations have no
# `num_keypoints` (conversions of other datasets often leave it out; it is a count of the flags beside it), and results
# that find both exactly.
# Seen, with the versions below:
#   pycocotools 2.0.11            KeyError: 'num_keypoints'
#   faster-coco-eval 1.8.0        AP -1 (no people), without a word: the absent field is taken as 0
#   ultrafast-pycocotools 0.1.14  AP -1, likewise; it is described as a bit-exact drop-in replacement for pycocotools
#   hotcoco 1.3.0                 AP 1: the flags are counted
# The script ends with 0 as long as that is so, and with 1 when a tool does otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pycocotools==2.0.11 faster-coco-eval==1.8.0 ultrafast-pycocotools==0.1.14 hotcoco==1.3.0
cat > "$folder/compare.py" <<'PY'
import contextlib, importlib, io, json, sys
from pathlib import Path

points = [v for i in range(17) for v in (10.0 + 5 * i, 20.0 + 9 * i, 2)]
person = {"category_id": 1, "bbox": [10.0, 20.0, 80.0, 144.0], "area": 9000.0, "iscrowd": 0, "keypoints": points}
truth = {
    "info": {}, "licenses": [], "images": [{"id": i, "width": 400, "height": 300, "file_name": f"{i}.jpg"} for i in (1, 2)],
    "annotations": [person | {"id": i, "image_id": i} for i in (1, 2)],
    "categories": [{"id": 1, "name": "person", "keypoints": [f"k{i}" for i in range(17)], "skeleton": []}],
}
results = [{"image_id": i, "category_id": 1, "score": 0.9, "keypoints": points} for i in (1, 2)]
folder = Path(sys.argv[1])
(folder / "truth.json").write_text(json.dumps(truth))
(folder / "results.json").write_text(json.dumps(results))
TOOLS = {
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval", "COCOeval", "KeyError"),
    "faster-coco-eval": ("faster_coco_eval", "faster_coco_eval", "COCOeval_faster", "AP -1"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools.coco", "ultrafast_pycocotools.cocoeval", "COCOeval", "AP -1"),
    "hotcoco": ("hotcoco", "hotcoco", "COCOeval", "AP 1"),
}
changed = False
for tool, (coco, module, name, expected) in TOOLS.items():
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            real = importlib.import_module(coco).COCO(str(folder / "truth.json"))
            evaluation = getattr(importlib.import_module(module), name)(real, real.loadRes(str(folder / "results.json")), "keypoints")
            for step in ("evaluate", "accumulate", "summarize"):
                getattr(evaluation, step)()
            seen = f"AP {round(float(evaluation.stats[0]), 6):g}"
        except Exception as error:
            seen = type(error).__name__
    changed |= seen != expected
    print(f"{tool}: {seen}" + ("" if seen == expected else f" (was {expected})"))
sys.exit(int(changed))
PY
"$folder/venv/bin/python" "$folder/compare.py" "$folder"
