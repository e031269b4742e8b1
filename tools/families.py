"""Does `eval` run with any architecture? `python -m tools.families [NAME …]`: a table of families by tasks.

Every network (the smallest of its family in timm, at random) is finetuned for a moment on a procedural dataset of each
task, predicts and is scored, by `humanbench.evaluate` as for a real run. The numbers mean nothing; a cell must finish.
Ends with 1 where one does not.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from humanbench.cards import load_card
from humanbench.data.mannequin.pool import workers
from humanbench.data.mannequin.suite import synthesize
from humanbench.errors import HumanbenchError
from humanbench.evaluation import evaluate
from humanbench.results import Result

FAMILIES = {
    "ViT": "vit_tiny_patch16_224",
    "CLIP ViT": "vit_xsmall_patch16_clip_224",
    "DeiT, distilled": "deit_tiny_distilled_patch16_224",
    "DINOv2, registers": "vit_small_patch14_reg4_dinov2",
    "EVA-02": "eva02_tiny_patch14_224",
    "XCiT": "xcit_nano_12_p16_224",
    "Swin": "swin_tiny_patch4_window7_224",
    "Swin V2": "swinv2_tiny_window8_256",
    "PVT v2": "pvt_v2_b0",
    "Twins": "twins_svt_small",
    "MViT v2": "mvitv2_tiny",
    "DaViT": "davit_tiny",
    "TinyViT": "tiny_vit_5m_224",
    "FocalNet": "focalnet_tiny_srf",
    "PoolFormer": "poolformer_s12",
    "EdgeNeXt": "edgenext_xx_small",
    "MobileViT": "mobilevit_xxs",
    "FastViT": "fastvit_t8",
    "ConvNeXt": "convnext_atto",
    "InceptionNeXt": "inception_next_atto",
    "MambaOut": "mambaout_femto",
    "ResNet": "resnet10t",
    "ResNeXt": "resnext26ts",
    "RegNet": "regnetx_002",
    "DenseNet": "densenet121",
    "VGG": "vgg11",
    "HRNet": "hrnet_w18_small",
    "EfficientNet": "efficientnet_lite0",
    "MobileNet v3": "mobilenetv3_small_050",
    "RepVGG": "repvgg_a0",
    "GhostNet": "ghostnet_100",
}
"""Family -> its smallest network in timm.

Not here are those that take one input size only (CaiT, Hiera, MLP-Mixer): a cell ends with a sentence that says so.
`--arch img_size=[H, W]` builds CaiT for the datasets of one size.
"""

DATASETS = {
    "reid": "market1501",
    "pose": "mpii",
    "parsing": "lip",
    "attribute": "pa100k",
    "detection": "crowdhuman",
    "counting": "shanghaitech_b",
}
SCALE = 0.02
QUICK: Mapping[str, Any] = {"train.iterations": 1, "train.batch_size": 4, "train.views": 0}


@dataclass(frozen=True)
class Row:
    """A family: its network, and per task the result, or the error that ended the run."""

    family: str
    network: str
    results: dict[str, Result]
    error: str
    seconds: float

    def cell(self, task: str) -> str:
        """`ok`, or what went wrong."""
        result = self.results.get(task)
        if result is None:
            return self.error or "no result"
        return "ok" if result.status == "done" else str(result.reason)

    @property
    def ok(self) -> bool:
        return all(self.cell(task) == "ok" for task in DATASETS)


def copies(root: Path) -> Path:
    """A data root with the smallest procedural copies of one dataset per task."""
    with workers(1) as pool:
        for name in DATASETS.values():
            synthesize(load_card(name), root, pool, scale=SCALE)
    return root


def row(family: str, network: str, data_root: Path, out: Path, protocol: str) -> Row:
    """Evaluate one network on all tasks."""
    started = time.perf_counter()
    results: dict[str, Result] = {}
    error = ""
    try:
        found = evaluate(
            f"random:timm:{network}", protocol, list(DATASETS.values()), suite="mini", data_root=data_root,
            out=out / f"{network}-{protocol}", device="cpu", set=QUICK,
        )  # fmt: skip
        results = {result.task: result for result in found}
    except HumanbenchError as problem:
        error = str(problem)
    return Row(family, network, results, error, time.perf_counter() - started)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table in Markdown."""
    yield f"| family | network | {' | '.join(DATASETS)} | s |"
    yield "|---|---|" + "---|" * (len(DATASETS) + 1)
    for one in rows:
        cells = [one.cell(task) for task in DATASETS]
        yield f"| {' | '.join([one.family, f'`{one.network}`', *cells, f'{one.seconds:.0f}'])} |"


def main(arguments: Sequence[str]) -> None:
    """Print the table; end with 1 where a cell failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.families", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of names of families")
    parser.add_argument("--protocol", default="partial", choices=("full", "partial", "head"))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    words = [word.lower() for word in asked.names]
    chosen = {f: n for f, n in FAMILIES.items() if not words or any(w in f.lower() or w in n for w in words)}
    rows = []
    with TemporaryDirectory() as folder:
        root = copies(Path(folder) / "data")
        for family, network in chosen.items():
            rows.append(row(family, network, root, Path(folder), asked.protocol))
            print(f"{family}: {'ok' if rows[-1].ok else 'FAILED'}", file=sys.stderr, flush=True)
    print("\n".join(lines(rows)))
    print(f"{sum(one.ok for one in rows)} of {len(rows)} networks run on all {len(DATASETS)} tasks")
    sys.exit(0 if rows and all(one.ok for one in rows) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
