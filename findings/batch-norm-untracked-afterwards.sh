#!/usr/bin/env bash
# Two batch norms that print alike, both with track_running_stats=False, do not compute alike in evaluation.
#
# Input: eight numbers around 10 through torch.nn.BatchNorm1d(1, affine=False), once made with
# track_running_stats=False, once made without and set to False afterwards (a way to keep passes out of the running
# statistics), each in training and in evaluation mode.
# Guess before: the documentation says that with False batch statistics are always used, in training and in evaluation,
# so both give a mean of 0 in both modes.
# Seen, with torch 2.14.1: both print the same text. In training both normalise by the batch, and neither touches its
# running statistics. In evaluation the one made so still normalises by the batch (mean 0); the one set afterwards
# normalises by the running statistics that it has kept from its making, mean 0 and variance 1, so that the input comes
# out as it went in (mean 10). In evaluation buffers decide, not the flag; only in training does the flag.
# The script ends with 0 as long as that is so, and with 1 when it is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy
"$folder/venv/bin/python" - <<'PY'
import sys

import torch

x = torch.arange(8.0)[:, None] + 6.5
made = torch.nn.BatchNorm1d(1, affine=False, track_running_stats=False)
changed = torch.nn.BatchNorm1d(1, affine=False)
changed.track_running_stats = False
means = {}
for mode in (True, False):
    for name, norm in (("made", made), ("changed", changed)):
        means[name, mode] = round(float(norm.train(mode)(x).mean()), 3) + 0.0
for (name, mode), mean in means.items():
    print(f"{name}, {'training' if mode else 'evaluation'}: mean {mean}")
alike = repr(made) == repr(changed)
kept = float(changed.running_mean) == 0.0
print(f"printed alike: {alike}; running mean of the changed one untouched: {kept}")
expected = {("made", True): 0.0, ("changed", True): 0.0, ("made", False): 0.0, ("changed", False): 10.0}
sys.exit(0 if means == expected and alike and kept else 1)
PY
