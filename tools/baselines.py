"""Results that are shipped as baselines: `python -m tools.baselines RUN...`.

Writes `baselines/results/<name of the run folder>/results/*.json`, which `compare` and `export` take by that name. Only
finished results on procedural data, without predictions; of the machine its kind alone is kept.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "baselines" / "results"


def main(runs: list[str]) -> None:
    """Take over the runs; a baseline of the same name is replaced."""
    from humanbench.results import load_results

    if not runs:
        sys.exit("python -m tools.baselines RUN... (run folders of `humanbench eval --suite mini`)")
    for run in map(Path, runs):
        folder = TARGET / run.name / "results"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for result in load_results(run):
            if result.status != "done" or not result.synthetic or result.provenance is None:
                sys.exit(f"{run}: {result.dataset} is not finished, or not synthetic")
            system, machine = result.provenance.platform.split()[0], result.provenance.platform.split()[-1]
            about = result.provenance.model_copy(update={"platform": f"{system} {machine}", "cache": {}})
            kept = result.model_copy(update={"provenance": about, "predictions": None})
            name = f"{result.dataset}-s{result.seed}.json"
            (folder / name).write_text(kept.to_json() + "\n", encoding="utf-8")
        print(f"{folder}: {len(list(folder.iterdir()))} results")


if __name__ == "__main__":
    main(sys.argv[1:])
