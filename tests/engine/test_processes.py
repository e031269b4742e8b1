"""Two processes: the same predictions to the bit, every sample once; and cells as jobs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from humanbench.cards import load_card
from humanbench.data.samples import load_samples
from humanbench.engine.context import CellSpec
from humanbench.engine.devices import accelerator_for
from humanbench.engine.finetune import load_trainable_state
from humanbench.engine.predict import predict
from humanbench.engine.prepared import cell_key, prepare, read_tables
from humanbench.evaluation.plan import Plan, plan_for
from humanbench.evaluation.request import Request
from humanbench.hashing import content_sha256
from humanbench.results import Result, load_results
from humanbench.run_log import RunLog
from humanbench.tasks.registry import task_for
from tests.engine.toy import FAST, toy_backbone

ROOT = Path(__file__).resolve().parents[2]
SET = FAST["attribute"] | {"train.views": 1}

pytestmark = pytest.mark.xdist_group("two processes")  # they are launched once


@dataclass(frozen=True)
class Launch:
    """What a launch of two processes left: the folder of its runs, the exit code of the last, what was said."""

    runs: Path
    broken: Path
    exit_code: int
    said: list[str]


@pytest.fixture(scope="module")
def launch(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Three evaluations of the toy backbone by two processes: a plain one, one whose cells fail in both, and one that
    comes upon a picture that only one of them reads, and that does not decode."""
    folder = tmp_path_factory.mktemp("launch")
    copy = folder / "data"
    for name in ("pa100k", "peta"):
        shutil.copytree(data_root / name, copy / name)
    picture = Path(load_samples(load_card("pa100k"), "train", copy)["image"].iloc[3])
    picture.write_bytes(picture.read_bytes()[:100])
    commands = [
        evaluation(data_root, folder / "plain", "pa100k"),
        evaluation(data_root, folder / "both", "pa100k,peta", **{"optim.lr": 1e30}),
        evaluation(copy, folder / "one", "pa100k,peta", **{"train.views": 0}),
    ]
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "tests.engine.toy_cli", *commands[0]),
        *(word for later in commands[1:] for word in ("--then", *later)),
    ]
    environment = os.environ | {"HUMANBENCH_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400)
    documents = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return Launch(folder, picture, done.returncode, documents)


def evaluation(data_root: Path, out: Path, datasets: str, **more: Any) -> list[str]:
    """The words of an `eval` of the toy backbone."""
    overrides = [word for key, value in (SET | more).items() for word in ("--set", f"{key}={json.dumps(value)}")]
    return [
        *("eval", "--backbone", "toy", "--suite", "mini", "--device", "cpu", "--json"),
        *("--data-root", str(data_root), "--out", str(out), "--datasets", datasets, *overrides),
    ]


def test_two_processes_fit_and_predict_like_one(launch: Launch, data_root: Path, tmp_path: Path) -> None:
    (result,) = load_results(launch.runs / "plain")
    assert (result.status, result.provenance.processes) == ("done", 2)
    assert result.provenance.cache["train"].startswith("used")

    plan = plan_for(
        Request(toy_backbone(), datasets="pa100k", suite="mini", data_root=data_root, out=tmp_path / "one", set=SET)
    )
    (spec,) = plan.cells
    assert with_weights(plan, spec, launch.runs / "plain" / "weights") == result.provenance.predictions_sha256


def test_an_error_of_one_process_ends_both(launch: Launch) -> None:
    """The other one must not wait for it for hours."""
    assert launch.exit_code != 0
    (result,) = load_results(launch.runs / "one")
    assert (result.dataset, result.status) == ("pa100k", "failed")
    assert launch.broken.name in result.reason


def test_an_error_of_both_is_recorded_once_and_the_rest_goes_on(launch: Launch) -> None:
    assert [result.status for result in load_results(launch.runs / "both")] == ["failed", "failed"]
    assert len(list((launch.runs / "both" / "results").iterdir())) == 2


def test_only_one_of_the_processes_speaks(launch: Launch) -> None:
    assert len(launch.said) == 2  # the documents of two runs that came to their end


def with_weights(plan: Plan, spec: CellSpec, weights: Path) -> str:
    """Hash of the predictions that one process makes with the weights two have fitted, from images."""
    context, tables = plan.context, read_tables(plan.context, spec)
    cell = prepare(context, spec, tables, cell_key(context, spec, tables))
    (path,) = weights.glob("*.safetensors")
    load_trainable_state(cell.model, load_file(path))
    data = cell.task.test_data(cell.card, tables.test, cell.recipe, cell.model.backbone.preprocessing, {})
    made = predict(accelerator_for("cpu", "no"), cell.model, cell.task, data, cell.recipe, RunLog(loud=False))
    assert len(made.decoded) == len(data)
    decoded = cell.task.predictions(cell.card, tables.test, made.decoded)
    file = context.folder.path / "predictions.csv"
    file.parent.mkdir(parents=True)
    task_for(cell.card).predictions.write(cell.card, tables.test, decoded, file)
    return content_sha256(file)


def test_cells_as_jobs_of_the_local_executor(data_root: Path, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed (extra slurm)")
    from humanbench.evaluation.cluster import submit

    request = Request(
        toy_backbone(), "head", ["pa100k"], suite="mini", data_root=data_root, out=tmp_path, device="cpu", set=SET
    )
    (job,) = submit("local", request, plan_for(request), {"timeout_min": 5})
    (text,) = job.result()
    assert load_results(tmp_path)[0] == Result.model_validate_json(text)
