"""Two processes: the same predictions to the bit, every sample once; and cells as jobs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
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


def started(data_root: Path, out: Path, datasets: str = "pa100k", **more: Any) -> subprocess.CompletedProcess[str]:
    """`eval` of the toy backbone by two processes."""
    settings = SET | more
    overrides = [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "tests.engine.toy_cli", "eval", "--backbone", "toy", "--suite", "mini", "--device", "cpu",
        "--data-root", str(data_root), "--out", str(out), "--datasets", datasets, "--json", *overrides,
    ]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def in_two_processes(data_root: Path, out: Path) -> Result:
    done = started(data_root, out)
    assert done.returncode == 0, done.stderr
    (document,) = json.loads(done.stdout)  # only one of the processes speaks
    return Result.model_validate(document)


def test_two_processes_fit_and_predict_like_one(data_root: Path, tmp_path: Path) -> None:
    result = in_two_processes(data_root, tmp_path / "two")
    assert (result.status, result.provenance.processes) == ("done", 2)
    assert result.provenance.cache["train"].startswith("used")
    assert load_results(tmp_path / "two")[0] == result

    plan = plan_for(
        Request(toy_backbone(), datasets="pa100k", suite="mini", data_root=data_root, out=tmp_path / "one", set=SET)
    )
    (spec,) = plan.cells
    assert with_weights(plan, spec, tmp_path / "two" / "weights") == result.provenance.predictions_sha256


def test_an_error_of_one_process_ends_both(data_root: Path, tmp_path: Path) -> None:
    """A picture that only one of them reads does not decode: the other one must not wait for it for hours."""
    copy = tmp_path / "data"
    for name in ("pa100k", "peta"):
        shutil.copytree(data_root / name, copy / name)
    picture = Path(load_samples(load_card("pa100k"), "train", copy)["image"].iloc[3])
    picture.write_bytes(picture.read_bytes()[:100])
    done = started(copy, tmp_path / "run", "pa100k,peta", **{"train.views": 0})
    assert done.returncode != 0
    (result,) = load_results(tmp_path / "run")
    assert (result.dataset, result.status) == ("pa100k", "failed")
    assert picture.name in result.reason


def test_an_error_of_both_is_recorded_once_and_the_rest_goes_on(data_root: Path, tmp_path: Path) -> None:
    done = started(data_root, tmp_path / "run", "pa100k,peta", **{"optim.lr": 1e30})
    assert [d["status"] for d in json.loads(done.stdout)] == ["failed", "failed"]
    assert len(list((tmp_path / "run" / "results").iterdir())) == 2


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
