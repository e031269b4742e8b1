#!/usr/bin/env bash
# cv2.warpAffine of OpenCV 5.0 gives other pixels than that of OpenCV 4.14, and a map of labels that is moved by half a
# pixel loses every second column.
#
# Input: a row that rises by 100 a pixel, moved left by 0.01 and by 0.02 pixels (INTER_LINEAR), and the labels 1 to 8,
# moved right by half a pixel (INTER_NEAREST), by both versions.
# Guess before the run: the new version does not round places to 1/32 of a pixel as the old one does, so bilinear values
# differ by up to 1/64 of a step; nearest neighbours are the same.
# Seen:
#                       4.14.0                5.0.0
#   linear, 0.01        100 200 300 ...       101 201 301 ...
#   linear, 0.02        103.1 203.1 ...       102 202 302 ...
#   nearest, 0.5        1 2 3 4 5 6 7 8       1 1 3 3 5 5 7 7
# The guess was right of bilinear values and wrong of nearest ones: places half-way between two pixels go to the even one,
# so that neighbours share it. Warps about the centre of an odd by an even size are of that kind. remap rounds as warpAffine.
# The script ends with 0 as long as that is so, and with 1 when it is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/warp.py" <<'PY'
import sys

import cv2
import numpy as np

rising = np.tile(np.arange(8, dtype=np.float32) * 100, (4, 1))
labels = np.tile(np.arange(1, 9, dtype=np.uint8), (4, 1))


def moved(picture, by, how):
    return cv2.warpAffine(picture, np.array([[1.0, 0, by], [0, 1, 0]]), (8, 4), flags=how)[1].tolist()


seen = {
    "0.01": moved(rising, -0.01, cv2.INTER_LINEAR)[1:4],
    "0.02": moved(rising, -0.02, cv2.INTER_LINEAR)[1:4],
    "half": moved(labels, 0.5, cv2.INTER_NEAREST),
}
print(cv2.__version__, seen)
old = sys.argv[1] == "old"
right = np.allclose(seen["0.01"], [100, 200, 300] if old else [101, 201, 301], atol=1e-3)
right &= np.allclose(seen["0.02"], [103.125, 203.125, 303.125] if old else [102, 202, 302], atol=1e-3)
right &= seen["half"] == ([1, 2, 3, 4, 5, 6, 7, 8] if old else [1, 1, 3, 3, 5, 5, 7, 7])
sys.exit(not right)
PY
for version in old=4.14.0.94 new=5.0.0.93; do
    python3 -m venv "$folder/${version%=*}"
    "$folder/${version%=*}/bin/pip" install --quiet "opencv-python-headless==${version#*=}" numpy==2.2.6
    "$folder/${version%=*}/bin/python" "$folder/warp.py" "${version%=*}"
done
