"""`python -m tools.peers [--folder DIR] [--write]`: install the peers, ask each, print docs/peers.md or write it.

Every peer is installed by pip, with pinned versions, into a folder of its own (a temporary one without `--folder`), so
that one's NumPy is not the other's, and answers in a process of its own. Nothing is installed beside humanbench.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.peers.cases import Case, all_cases

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "peers.md"
OURS = "humanbench"

PEERS: dict[str, tuple[str, ...]] = {
    "pycocotools": ("pycocotools==2.0.11",),
    "xtcocotools": ("xtcocotools==1.14.3", "numpy==1.26.4", "matplotlib==3.9.4"),
    "faster-coco-eval": ("faster-coco-eval==1.8.0",),
    "hotcoco": ("hotcoco==1.3.0",),
    "ultrafast-pycocotools": ("ultrafast-pycocotools==0.1.14",),
    "torchmetrics": ("torchmetrics==1.9.0", "lightning-utilities==0.15.2"),
    "globox": ("globox==2.9.0",),
    "supervision": ("supervision==0.31.2", "numpy==2.4.6"),
    "torchreid": ("torchreid==0.2.5",),
    "fastreid": ("fastreid==1.4.0",),
    "mmsegmentation": (
        "mmsegmentation==1.2.2", "mmengine==0.10.7", "prettytable==3.16.0", "addict==2.4.0", "yapf==0.43.0",
        "termcolor==3.1.0", "wcwidth==0.2.13", "platformdirs==4.3.6", "tomli==2.2.1",
    ),
    "scikit-learn": ("scikit-learn==1.9.1",),
}  # fmt: skip
WITH_DEPENDENCIES = {"xtcocotools", "supervision"}
"""The others need no more than what humanbench itself does (or import much more than what is asked of them)."""


@dataclass(frozen=True)
class Section:
    """A table: the kinds of input it holds, and its columns."""

    title: str
    kinds: tuple[str, ...]
    tools: tuple[str, ...]
    note: str


COCO_TOOLS = ("pycocotools", "faster-coco-eval", "hotcoco", "ultrafast-pycocotools")
SECTIONS = (
    Section(
        "Keypoints as COCO scores them",
        ("keypoints",),
        ("pycocotools", "xtcocotools", *COCO_TOOLS[1:]),
        "AP and AR over all thresholds. xtcocotools with its defaults; what it does for AIC stands below.",
    ),
    Section(
        "Keypoints as AI Challenger is scored",
        ("keypoints of AIC",),
        ("xtcocotools",),
        'xtcocotools with `use_area=False`; humanbench with `area="box"`.',
    ),
    Section(
        "Boxes",
        ("boxes",),
        (*COCO_TOOLS, "xtcocotools", "torchmetrics", "globox", "supervision"),
        "COCO's AP and AP50 by the tools; by humanbench **CrowdHuman's** AP50, another number under the same name: no "
        "dataset of the benchmark is scored by COCO's box AP.",
    ),
    Section(
        "Person re-identification",
        ("ranking", "features"),
        ("torchreid", "fastreid"),
        "By the Python path of each; features by torchreid's `compute_distance_matrix`.",
    ),
    Section(
        "Label maps",
        ("maps",),
        ("mmsegmentation", "torchmetrics", "scikit-learn"),
        "torchmetrics' `MulticlassJaccardIndex` and scikit-learn's `jaccard_score`, macro averages over all classes.",
    ),
    Section(
        "Attributes",
        ("attributes",),
        ("scikit-learn", "torchmetrics"),
        "The mean of `balanced_accuracy_score`, and of recall and specificity, over attributes.",
    ),
    Section(
        "Run-length encoding of a label map",
        ("mask",),
        ("pycocotools", "xtcocotools", *COCO_TOOLS[1:]),
        "`encode`, then `decode`.",
    ),
    Section("Boxes through Pascal VOC", ("voc", "read voc"), ("globox", "supervision"), "Corners in the file."),
)

INTRODUCTION = """# How other tools count

Two tools asked for the same metric of the same file do not always give the same number. This page puts small valid
inputs through those that are in use, so that whoever finds another number than `humanbench score` finds the reason.
**Bold** is the number that the field reports; an error's name stands for a tool that stops; – for one that has no such
metric. Percent; -1 and nan are undefined values.

The tables are made by `python -m tools.peers --write`, which installs the pinned versions into a temporary folder and
runs each in a process of its own. What humanbench does and why is on the page of its [metrics](metrics.md).
"""


def install(folder: Path) -> None:
    """Every peer into its folder, unless its requirements are there already."""
    for tool, requirements in PEERS.items():
        target = folder / tool
        mark = target / "requirements.txt"
        wanted = "\n".join(requirements)
        if mark.is_file() and mark.read_text() == wanted:
            continue
        print(f"installing {' '.join(requirements)}", file=sys.stderr)
        options = [] if tool in WITH_DEPENDENCIES else ["--no-deps"]
        command = [sys.executable, "-m", "pip", "install", "-q", *options, "--upgrade", "--target", str(target)]
        subprocess.run([*command, *requirements], check=True, stdout=sys.stderr)
        mark.write_text(wanted)


def answers(tool: str, cases: Sequence[Case], folder: Path | None = None) -> tuple[str, dict[str, str]]:
    """The tool's version, and its value for each case it knows; ours needs no folder."""
    place = ROOT if folder is None else folder / tool
    asked = {case.name: {"kind": case.kind, "input": case.input} for case in cases}
    command = [sys.executable, str(Path(__file__).with_name("adapters.py")), tool]
    done = subprocess.run(
        command, input=json.dumps(asked), env=os.environ | {"PYTHONPATH": str(place)}, text=True, capture_output=True
    )
    if done.returncode:
        raise RuntimeError(f"{tool}: {done.stderr.strip().splitlines()[-1]}")
    found = json.loads(done.stdout)
    return found["version"], found["answers"]


def page(values: Mapping[str, Mapping[str, str]], versions: Mapping[str, str]) -> str:
    """docs/peers.md of values by tool and case."""
    cases = all_cases()
    return "\n".join(
        [INTRODUCTION, *(line for section in SECTIONS for line in _table(section, cases, values, versions))]
    )


def _table(
    section: Section, cases: Sequence[Case], values: Mapping[str, Mapping[str, str]], versions: Mapping[str, str]
) -> Iterator[str]:
    tools = (*section.tools, OURS)
    heads = [f"{tool} {versions.get(tool, '')}".strip() for tool in tools]
    yield f"## {section.title}\n\n{section.note}\n"
    yield f"| input | {' | '.join(heads)} | why |"
    yield "|---" * (len(tools) + 2) + "|"
    for case in (case for case in cases if case.kind in section.kinds):
        cells = (_cell(values[tool].get(case.name), tool == case.official) for tool in tools)
        yield f"| {case.words} | {' | '.join(cells)} | {case.why} |"
    yield ""


def _cell(value: str | None, official: bool) -> str:
    shown = value or "–"
    return f"**{shown}**" if official else shown


def main() -> None:
    """Print the page, or write it with `--write`."""
    parser = argparse.ArgumentParser(prog="python -m tools.peers", description=__doc__)
    parser.add_argument("--folder", type=Path, help="where peers are installed, and kept")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        install(folder)
        asked = {tool: answers(tool, all_cases(), folder) for tool in PEERS}
    asked[OURS] = answers(OURS, all_cases())
    text = page({tool: found for tool, (_, found) in asked.items()}, {tool: v for tool, (v, _) in asked.items()})
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
