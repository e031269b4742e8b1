#!/usr/bin/env bash
# A box that one library writes as Pascal VOC and another reads moves by a pixel.
#
# Input: one box of a 100 x 100 picture, left 10, top 20, right 40, bottom 60 (edges, from 0), and its XML file.
# Seen, with the versions below:
#   supervision 0.31.2 writes xmin 11, ymin 21, xmax 40, ymax 60 (pixels from 1, both corners inside), reads it back as 10 20 40 60
#   globox 2.9.0 writes xmin 10, ymin 20, xmax 40, ymax 60, and reads supervision's file as 11 21 40 60
#   supervision reads globox' file as 9 19 40 60
# So the box grows or shrinks at its left and top by a pixel. The script ends with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet supervision==0.31.2 globox==2.9.0 pillow
cat > "$folder/compare.py" <<'PY'
import sys
from pathlib import Path

import numpy as np
import supervision as sv
from globox import Annotation, BoundingBox
from PIL import Image

BOX = (10.0, 20.0, 40.0, 60.0)
folder = Path(sys.argv[1])


def written_by_supervision() -> Path:
    place = folder / "supervision"
    place.mkdir()
    picture = place / "a.png"
    Image.new("RGB", (100, 100)).save(picture)
    found = sv.Detections(np.array([BOX]), class_id=np.array([0]))
    dataset = sv.DetectionDataset(classes=["person"], images=[str(picture)], annotations={str(picture): found})
    dataset.as_pascal_voc(annotations_directory_path=str(place))
    return place / "a.xml"


def written_by_globox() -> Path:
    place = folder / "globox"
    place.mkdir()
    Image.new("RGB", (100, 100)).save(place / "a.png")
    box = BoundingBox(label="person", xmin=BOX[0], ymin=BOX[1], xmax=BOX[2], ymax=BOX[3])
    Annotation("a.png", (100, 100), [box]).save_pascal_voc(place / "a.xml")
    return place / "a.xml"


def read_by_globox(path: Path) -> tuple[float, ...]:
    (box,) = Annotation.from_pascal_voc(path).boxes
    return box.xmin, box.ymin, box.xmax, box.ymax


def read_by_supervision(path: Path) -> tuple[float, ...]:
    dataset = sv.DetectionDataset.from_pascal_voc(str(path.parent), str(path.parent))
    return tuple(next(iter(dataset.annotations.values())).xyxy[0].tolist())


theirs, other = written_by_supervision(), written_by_globox()
rows = {
    "supervision, read by supervision": (read_by_supervision(theirs), (10, 20, 40, 60)),
    "supervision, read by globox": (read_by_globox(theirs), (11, 21, 40, 60)),
    "globox, read by globox": (read_by_globox(other), (10, 20, 40, 60)),
    "globox, read by supervision": (read_by_supervision(other), (9, 19, 40, 60)),
}
for name, (seen, expected) in rows.items():
    print(f"written by {name}:", *(f"{v:g}" for v in seen), "" if seen == expected else f"(was {expected})")
sys.exit(int(any(seen != expected for seen, expected in rows.values())))
PY
"$folder/venv/bin/python" "$folder/compare.py" "$folder"
