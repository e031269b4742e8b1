#!/usr/bin/env bash
# LoRA of peft on the `qkv` projections of timm's BEiT, EVA-02 and Swin V2 is counted as trainable and never takes part.
#
# Input: three small networks of timm (and a plain ViT beside them), each with adapters of peft on its layers called
# qkv, started so that they should change the output (init_lora_weights=False), and one random picture.
# Guess before the run: networks that compute the projection from the layer's weight (F.linear(x, self.qkv.weight, bias),
# because their bias is put together from parts) miss what a wrapped layer adds, for its `.weight` is the old one.
# Seen, with the versions below:
#   vit_tiny_patch16_224      adapters get gradients, and changing them changes the output
#   beit_base_patch16_224     the parameters are there and ask for gradients; the output depends on none of them
#   eva02_tiny_patch14_224    the same
#   swinv2_tiny_window8_256   the same
# No warning is given. With a head on top that trains, the loss falls and nothing shows that the adapters did not move.
# The script ends with 0 as long as that is so, and with 1 when it is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 timm==1.0.31 peft==0.21.2 transformers==5.24.0 accelerate==1.15.0
cat > "$folder/adapters.py" <<'PY'
import sys

import peft
import timm
import torch

CASES = {
    "vit_tiny_patch16_224": ({"depth": 2, "img_size": 64}, True),
    "beit_base_patch16_224": ({"depth": 2, "img_size": 64, "embed_dim": 32, "num_heads": 2}, False),
    "eva02_tiny_patch14_224": ({"depth": 2, "img_size": 56}, False),
    "swinv2_tiny_window8_256": ({"depths": (1, 1, 1, 1), "img_size": 64}, False),
}
as_expected = True
for name, (small, expected) in CASES.items():
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0, **small).eval()
    peft.inject_adapter_in_model(peft.LoraConfig(r=4, target_modules=["qkv"], init_lora_weights=False), network)
    adapters = [parameter for key, parameter in network.named_parameters() if "lora_" in key]
    picture = torch.randn(1, 3, small["img_size"], small["img_size"])
    before = network(picture)
    with torch.no_grad():
        for parameter in adapters:
            parameter.add_(1.0)
        changed = not torch.equal(network(picture), before)
    trainable = sum(parameter.requires_grad for parameter in adapters)
    print(f"{name}: {trainable} trainable tensors, gradients: {before.requires_grad}, output changes: {changed}")
    as_expected &= trainable == len(adapters) > 0 and before.requires_grad == changed == expected
sys.exit(not as_expected)
PY
"$folder/venv/bin/python" "$folder/adapters.py"
