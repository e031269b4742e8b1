#!/usr/bin/env bash
# Two evaluations of one model, written to a model card by huggingface_hub, come back as one: the second keeps its number and
# gets the name, the arguments and the source of the first.
#
# Input: two EvalResults of pose estimation on COCO val2017, as tables of this field print them side by side: with the boxes
# of the ground truth, from the paper, and with the boxes of a detector, measured by somebody else. They differ in
# `dataset_name`, `dataset_args` and `source_url`; type, configuration and split are the same.
# Guess before running: a result with other arguments is another entry of the model-index, or is refused.
# Seen with huggingface_hub 2.4.0: one entry with two numbers. Both say "boxes of the ground truth", args {boxes: ground
# truth}, and the first one's source, without a word; reading the card again gives two EvalResults that differ in nothing but
# the number. Entries are grouped by task type, dataset type, configuration, split and revision alone, and what else is in
# them is taken from the first of the group.
# Mend: say in `dataset_config` (or `dataset_type`) whatever tells two measurements apart.
# The script ends with 0 as long as that is so, and with 1 when it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet huggingface_hub==2.4.0
cat > "$folder/card.py" <<'PY'
import sys

from huggingface_hub import EvalResult, ModelCard, ModelCardData


def measured(boxes, value, source):
    return EvalResult(
        task_type="keypoint-detection", dataset_type="coco", dataset_name=f"COCO val2017, boxes of {boxes}",
        dataset_split="val", dataset_args={"boxes": boxes}, metric_type="ap", metric_value=value, source_name=source,
        source_url=f"https://example.org/{source}",
    )


written = [measured("the ground truth", 77.0, "paper"), measured("a detector", 74.5, "repetition")]
data = ModelCardData(model_name="pose", eval_results=written)
read = ModelCard(f"---\n{data.to_yaml()}\n---\n").data.eval_results
for before, after in zip(written, read, strict=True):
    print("written:", before.metric_value, before.dataset_name, before.dataset_args, before.source_url)
    print("read:   ", after.metric_value, after.dataset_name, after.dataset_args, after.source_url)
numbers_kept = [r.metric_value for r in read] == [77.0, 74.5]
second_lost = (read[1].dataset_name, read[1].dataset_args, read[1].source_url) == (
    written[0].dataset_name, written[0].dataset_args, written[0].source_url
)
sys.exit(0 if numbers_kept and second_lost else 1)
PY
"$folder/venv/bin/python" "$folder/card.py"
