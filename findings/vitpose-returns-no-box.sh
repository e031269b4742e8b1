#!/usr/bin/env bash
# The person box that transformers' ViTPose gives back beside the joints is smaller than a pixel.
#
# Input: `VitPoseImageProcessor.post_process_pose_estimation` with a made heatmap of one person (every joint has its peak in
# the middle), for three boxes in the form that the function asks for, COCO's (x, y, width, height).
# Guess before running: `keypoints` lie in the middle of each box, and `bbox` is the box that was given, as corners.
# Seen with transformers 5.24.0 (torch 2.14.1): keypoints are right to a tenth of a pixel. `bbox` is neither the box that was
# given nor the enlarged one that is cut out: (100, 50, 120, 200) comes back as (160, 150, 159.94, 150.25). These are the
# middle of the box, and the middle plus the size of what is cut out in units of 200 pixels (the reference size of ViTPose's
# affine transform), less one: the middle and the scale have been taken for a COCO box and made into corners. Whoever writes
# a results file, draws, or computes areas from `bbox` gets empty or turned-round boxes without a word.
# Mend: keep the boxes that went in; they are in the order of the results.
# The script ends with 0 as long as that is so, and with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0 torch==2.14.1 torchvision==0.29.1 scipy==1.17.1 pillow==13.0.0
cat > "$folder/box.py" <<'PY'
import sys

import torch
from transformers import VitPoseImageProcessor
from transformers.models.vitpose.modeling_vitpose import VitPoseEstimatorOutput

rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
peak = torch.exp(-((columns - 23.5) ** 2 + (rows - 31.5) ** 2) / 8)  # the middle of 64 x 48 cells
changed = False
for x, y, width, height in [(100.0, 50.0, 120.0, 200.0), (37.0, 21.0, 300.0, 150.0), (200.0, 100.0, 40.0, 40.0)]:
    heatmaps = peak.expand(1, 17, 64, 48).contiguous()
    [[person]] = VitPoseImageProcessor().post_process_pose_estimation(
        VitPoseEstimatorOutput(heatmaps=heatmaps), boxes=[[[x, y, width, height]]]
    )
    middle = torch.tensor([x + width / 2, y + height / 2])
    left, top, right, bottom = person["bbox"].tolist()
    print(f"given {(x, y, width, height)}; first joint {person['keypoints'][0].tolist()}; bbox {person['bbox'].tolist()}")
    joints_right = bool((person["keypoints"] - middle).abs().max() < 0.1)
    box_is_a_point = [left, top] == middle.tolist() and abs(right - left) <= 1 and abs(bottom - top) <= 1
    changed |= not (joints_right and box_is_a_point)
sys.exit(int(changed))
PY
"$folder/venv/bin/python" "$folder/box.py"
