"""Submissions end to end: the honest one comes in, whatever was touched does not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from humanbench.cards import load_card
from humanbench.data.samples import load_samples
from humanbench.errors import HumanbenchError
from humanbench.hashing import document_sha256, file_sha256
from humanbench.hashing import key as key_of
from humanbench.leaderboard.submissions.bundle import gathered, write_submission
from humanbench.leaderboard.submissions.rescore import SubmissionReport, check_submission, summary
from humanbench.names import shown
from humanbench.results import Cell, record
from humanbench.tasks.registry import task_for
from tests.evaluated import perfect, run, write_dataset
from tests.leaderboard.honest import edit_result, renewed, write_honest_run
from tests.leaderboard.test_trust import CARD

pytestmark = pytest.mark.xdist_group("submissions")  # what its fixtures make is made once

DATASETS = ("pa100k", "market1501", "shanghaitech_a", "lip")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with four small datasets."""
    folder = tmp_path_factory.mktemp("data")
    for name in DATASETS:
        write_dataset(load_card(name), folder)
    return folder


@pytest.fixture(scope="module")
def honest(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on them."""
    return write_honest_run(tmp_path_factory.mktemp("honest") / "run", root, DATASETS)


@pytest.fixture
def submission(honest: Path, tmp_path: Path) -> Path:
    """The run as a folder to tamper with."""
    with gathered(honest, submitter="A. Student") as folder:
        return write_submission(folder, tmp_path / "submission")


def checked(folder: Path, root: Path | None) -> SubmissionReport:
    renewed(folder)
    return check_submission(folder, root)


def result_file(folder: Path, dataset: str) -> Path:
    (path,) = (folder / "results").glob(f"{dataset}-*.json")
    return path


def test_an_honest_run_is_rescored_from_archive_and_folder(honest: Path, root: Path, tmp_path: Path) -> None:
    for out in (tmp_path / "a.zip", tmp_path / "folder"):
        done = run("submit", honest, "--out", out, "--data-root", root, "--json")
        document = json.loads(done.stdout)
        assert (done.exit_code, document["accepted"], document["written"]) == (0, True, str(out))
        report = check_submission(out, root)
        assert report.ok, report.problems
        assert {c.dataset: c.verdict for c in report.cells} == dict.fromkeys(DATASETS, "rescored")


def test_check_only_says_and_writes_nothing(
    honest: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("submit", honest, "--check", "--data-root", root)
    assert done.exit_code == 0
    assert "rescored  market1501 head seed 0  mAP 100.00" in done.output
    assert list(tmp_path.iterdir()) == []


def test_equal_runs_make_equal_archives(honest: Path, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        with gathered(honest) as folder:
            write_submission(folder, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_what_lies_beside_a_submission_is_not_looked_at(honest: Path, tmp_path: Path) -> None:
    """A link that leads nowhere cannot be opened; it is no business of what is written in the same folder."""
    (tmp_path / "beside").mkdir()
    for place in (tmp_path / "lost", tmp_path / "beside" / "lost"):
        place.symlink_to(tmp_path / "nowhere")
    with gathered(honest) as folder:
        assert write_submission(folder, tmp_path / "a.zip").is_file()
        for out in (tmp_path / "lost", tmp_path / "a.zip"):
            with pytest.raises(HumanbenchError, match="is there already"):
                write_submission(folder, out)
        with pytest.raises(NotADirectoryError, match="no folder, but a file or a link that leads nowhere"):
            write_submission(folder, tmp_path / "lost" / "b.zip")
        made = write_submission(folder, tmp_path / "b")
    assert made.stat().st_mode == (tmp_path / "beside").stat().st_mode, "others may read what this user's folders show"


def test_a_pipe_among_results_is_not_waited_for(honest: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(honest, tmp_path / "run"))
    os.mkfifo(run / "results" / "more.json")
    with pytest.raises(HumanbenchError, match=r"more\.json: is no file but a folder, a pipe"), gathered(run):
        pass


def test_without_the_data_numbers_are_claimed(submission: Path, tmp_path: Path) -> None:
    report = check_submission(submission, tmp_path / "nothing")
    assert report.ok
    assert {c.verdict for c in report.cells} == {"claimed"}
    assert "pa100k is not under" in summary(report)


def test_on_other_labels_numbers_are_claimed(submission: Path, root: Path, tmp_path: Path) -> None:
    """One label map here was drawn anew: nobody can say that the submitted number is wrong, or that it is right."""
    other = tmp_path / "data"
    shutil.copytree(root / "lip", other / "lip")
    path = Path(load_samples("lip", "val", other)["label"][0])
    label = np.array(Image.open(path))
    Image.fromarray(np.where(label == 0, 1, 0).astype(np.uint8)).save(path)
    verdicts = {c.dataset: c for c in check_submission(submission, other).cells}
    assert verdicts["lip"].verdict == "claimed"
    assert verdicts["lip"].reason.startswith("the data here is not what it was measured on; --data-root")
    assert verdicts["lip"].recomputed is not None
    assert verdicts["lip"].recomputed < 100 == verdicts["lip"].claimed


def test_predictions_that_fit_no_image_here_are_rejected_with_a_hint(
    submission: Path, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "data"
    shutil.copytree(root / "market1501", other / "market1501")
    path = sorted(next(other.rglob("query")).iterdir())[0]
    path.rename(path.with_name(path.name.replace(path.name[:4], "0099", 1)))
    (cell,) = [c for c in check_submission(submission, other).cells if c.verdict == "rejected"]
    assert (cell.dataset, cell.recomputed) == ("market1501", None)
    assert "(the data here is not what it was measured on; --data-root FOLDER names other data)" in cell.reason
    assert cell.reason.startswith("predictions/")  # where the file is in the submission, and not where it was unpacked


def test_a_number_edited_in_the_result_is_rejected_with_both(submission: Path, root: Path) -> None:
    metrics = json.loads(result_file(submission, "pa100k").read_text())["metrics"]
    metrics["mA"]["value"] -= 1.25
    edit_result(submission, "pa100k", metrics=metrics)
    done = run("leaderboard", "check", submission, "--data-root", root)
    assert done.exit_code == 1
    assert "was changed after the submission was made" in done.output
    report = checked(submission, root)
    (cell,) = [c for c in report.cells if c.verdict == "rejected"]
    assert (cell.dataset, cell.claimed, cell.recomputed) == ("pa100k", 98.75, 100.0)
    assert "mA: claimed 98.75, recomputed 100" in summary(report)


@pytest.mark.parametrize("part", ["low", "high", "n"])
def test_an_interval_that_was_narrowed_is_rejected_too(submission: Path, root: Path, part: str) -> None:
    metrics = json.loads(result_file(submission, "shanghaitech_a").read_text())["metrics"]
    metrics["MAE"][part] += {"low": 0, "high": 1, "n": 5}[part]
    metrics["MAE"]["high"] += 1
    edit_result(submission, "shanghaitech_a", metrics=metrics)
    assert [c.dataset for c in checked(submission, root).cells if c.verdict == "rejected"] == ["shanghaitech_a"]


def test_a_metric_left_out_or_added_is_rejected(submission: Path, root: Path) -> None:
    metrics = json.loads(result_file(submission, "market1501").read_text())["metrics"]
    metrics.pop("rank-1")
    edit_result(submission, "market1501", metrics=metrics)
    report = checked(submission, root)
    assert "rank-1: claimed nan, recomputed 100" in summary(report)


def test_predictions_of_another_dataset_are_rejected(submission: Path, root: Path) -> None:
    """Those of ShanghaiTech (CSV too) in place of PA-100K's, every hash made to fit."""
    (target,) = (submission / "predictions").glob("pa100k-*")
    (source,) = (submission / "predictions").glob("shanghaitech_a-*")
    target.write_text(source.read_text() + "\n")  # with a line more: no two cells have the same bytes
    _fit_predictions(submission, "pa100k", target)
    (cell,) = [c for c in checked(submission, root).cells if c.verdict == "rejected"]
    assert cell.dataset == "pa100k"
    assert "column" in cell.reason


def _fit_predictions(folder: Path, dataset: str, predictions: Path) -> None:
    provenance = json.loads(result_file(folder, dataset).read_text())["provenance"]
    edit_result(folder, dataset, provenance=provenance | {"predictions_sha256": file_sha256(predictions)})


def test_pickles_in_predictions_are_never_loaded(submission: Path, root: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return Path.touch, (tmp_path / "pwned",)  # type: ignore[return-value]

    (target,) = (submission / "predictions").glob("market1501-*")
    np.savez(target, query_names=np.array([Bomb()], object), gallery_names=np.array(["a"]), distances=np.ones((1, 1)))
    _fit_predictions(submission, "market1501", target)
    report = checked(submission, root)
    assert [c.dataset for c in report.cells if c.verdict == "rejected"] == ["market1501"]
    assert "pickled" in summary(report)
    assert not (tmp_path / "pwned").exists()


def _deep(document: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for name in path:
        document = document[name]
    document[last] = value


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("metrics.mA.value", "99.9", "metrics.mA.value: Input should be a valid number"),
        ("metrics.mA.value", True, "Input should be a valid number"),
        ("metrics.mA.value", 1e308, "outside 0 to 100"),
        ("metrics.mA.value", 100.5, "outside 0 to 100"),
        ("metrics.mA.low", -3.0, "outside 0 to 100"),
        ("metrics.mA.value", None, "the main metric mA is undefined"),
        ("metrics.mA.high", 50.0, "upside down"),
        ("metrics.mA.n", 0, "measured on 0 units"),
        ("metrics.cuteness", {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1}, "no metric is called 'cuteness'"),
        ("schema_version", 99, "schema version 99"),
        ("schema_version", 0, "schema version 0"),
        ("schema_version", "1", "schema version '1'"),
        ("schema_version", None, "schema version None"),
        ("seed", "0", "seed: Input should be a valid integer"),
        ("extra", 1, "extra: Extra inputs are not permitted"),
        ("dataset", "imagenet", "'imagenet' is no dataset that is evaluated here"),
        ("dataset", "dgmarket", "'dgmarket' is no dataset that is evaluated here"),
        ("task", "reid", "its task is 'reid', the dataset's is attribute"),
        ("scenario", "in-dataset", "its scenario is 'in-dataset'"),
        ("regime", "turbo", "regime 'turbo'"),
        ("split", "secret", "on the split 'secret'; pa100k is tested on test"),
        ("split", "train", "on the split 'train'; pa100k is tested on test"),
        ("split", "", "on the split ''"),
        ("main", "F1", "its main metric is 'F1', the dataset's is mA"),
        ("reason", "x", "finished and has a reason for its failure"),
        ("recipe_source", "ours?", "the recipe's source is"),
        ("iterations", 1, "it was trained for 1 iterations, its recipe says"),
        ("trainable", 10**400, "trainable: Input should be less than or equal to"),
        ("trainable", 10**308, "trainable: Input should be less than or equal to"),
        ("trainable", -1, "trainable: Input should be greater than or equal to 0"),
        ("frozen", -1, "frozen: Input should be greater than or equal to 0"),
        ("iterations", 10**30, "iterations: Input should be less than"),
        ("seed", int("9" * 4000), "seed: Input should be less than"),
        ("seed", -1, "seed: Input should be greater than or equal to 0"),
        ("metrics.mA.n", 10**40, "metrics.mA.n: Input should be less than"),
        ("provenance.processes", 0, "provenance.processes: Input should be greater"),
        ("provenance.seconds.fit", -1.0, "provenance.seconds.fit: Input should be greater"),
        ("provenance.seconds.fit", 1e308, "provenance.seconds.fit: Input should be less"),
        ("provenance.images_per_second.predict", 5e-324, "5e-324 seconds or images per second are none"),
        ("provenance.started", "9999-12-31T00:00:00+00:00", "is in the future"),
        ("provenance.started", "1999-12-31T00:00:00", "is too early"),
        ("provenance.started", "yesterday", "which is no time"),
        ("provenance.humanbench", "7.0", "two different values of humanbench: '7' and '0'"),
        ("cell.inputs", {"boxes": "0" * 64}, "the recipe takes these files: none; the cell had: boxes"),
        ("variant", "direct", "the variant direct is without finetuning"),
        ("info", {"note": 10**400}, "note holds a number beyond 1e+15"),
        ("info", {"note": [1]}, "note holds a list"),
        ("info", {str(n): 1 for n in range(2000)}, "info has 2,000 keys"),
        ("backbone", "other", "two different values of backbone"),
        ("backbone", "x" * 10_240, "backbone has 10,240 characters"),
        ("cell.seed", 3, "the cell's id is not the hash of its content"),
        ("cell.weights_sha256", "0" * 64, "two different values of weights"),
        ("trainable", 5, "the freeze report counts"),
        ("cost.gflops", -1.0, "cost.gflops: Input should be greater"),
        ("cost.gflops", 5e-324, "cost.gflops: Input should be greater"),
        ("cost.gflops", 1e308, "cost.gflops: Input should be less"),
        ("cost.gflops", "35", "cost.gflops: Input should be a valid number"),
        ("cost.width", 0, "cost.width: Input should be greater"),
        ("status", "failed", "not the result of a finished cell"),
        ("predictions", "../../etc/passwd", "not in predictions/"),
        ("predictions", "/etc/passwd", "not in predictions/"),
        ("predictions", "predictions/none.csv", "are not there"),
        ("provenance.freeze_sha256", "0" * 64, "the freeze report is not the one"),
        ("provenance.predictions_sha256", "0" * 64, "are not those whose hash"),
        ("provenance.packages.evil", "y" * 500, "evil has 500 characters"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(submission: Path, key: str, value: Any, said: str) -> None:
    path = result_file(submission, "pa100k")
    document = json.loads(path.read_text())
    _deep(document, key, value)
    path.write_text(json.dumps(document))
    report = checked(submission, None)
    assert not report.ok
    assert said in "\n".join(report.problems)
    assert report.cells == []


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "01", '{"a":', "[" * 100_000, '"\\ud800"'])
def test_numbers_and_documents_that_json_does_not_have_are_refused(submission: Path, text: str) -> None:
    path = result_file(submission, "pa100k")
    path.write_text(path.read_text().replace('"value": 100.0', f'"value": {text}', 1))
    assert text in path.read_text()
    report = checked(submission, None)
    assert not report.ok
    assert path.name in report.problems[0]


def _write_freeze(folder: Path, dataset: str, **changes: Any) -> None:
    """Change the freeze report of a dataset, with its hash and its counts in the result made to fit."""
    (path,) = (folder / "freeze").glob(f"{dataset}-*.json")
    report = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(report))
    provenance = json.loads(result_file(folder, dataset).read_text())["provenance"]
    counts = {which: sum(count for _, count in report[which]) for which in ("trainable", "frozen")}
    provenance["freeze_sha256"] = document_sha256(report)
    edit_result(folder, dataset, provenance=provenance, **counts)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainable": [["head.weight", 10**400]]}, "Input should be less than or equal to"),
        ({"trainable": [["head.weight", 5e-324]]}, "Input should be a valid integer"),
        ({"trainable": [["head.weight", -5], ["head.bias", 10]]}, "Input should be greater than or equal to 0"),
        ({"trainable": [["head.weight", "14200000"]]}, "Input should be a valid integer"),
        ({"trainable": [["head.weight", 7], ["head.weight", 7]]}, "names a parameter twice"),
        ({"trainable": [["backbone.weight2", 7]]}, "backbone.weight2 was trained, which head does not"),
        ({"frozen": [["head.bias", 7]]}, "head.bias was frozen, which head trains"),
        ({"variant": {"name": "", "last": 3}}, "of another variant than the recipe's"),
        ({"variant": {"name": "mine"}}, "of another variant than the recipe's"),
        ({"regime": "partial"}, "the freeze report's regime is 'partial'"),
        ({"extra": 1}, "Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_freeze_report_that_does_not_fit_is_named(submission: Path, changes: dict[str, Any], said: str) -> None:
    """Even where every count and hash was made to fit it."""
    try:
        _write_freeze(submission, "pa100k", **changes)
    except TypeError:  # a number that is a text: there is no sum of it
        (path,) = (submission / "freeze").glob("pa100k-*.json")
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert said in "\n".join(checked(submission, None).problems)


def test_the_same_predictions_for_two_seeds_are_refused(submission: Path) -> None:
    """A training copied to another seed, every hash made to fit, halves an interval for nothing."""
    path = result_file(submission, "pa100k")
    document = json.loads(path.read_text())
    before = path.stem
    cell = {k: v for k, v in document["cell"].items() if k != "id"} | {"seed": 1}
    name = f"copy-{before}"
    suffix = Path(document["predictions"]).suffix
    content = Cell.model_validate({"id": "", **cell}).content
    document |= {"seed": 1, "cell": {"id": key_of(content), **cell}, "predictions": f"predictions/{name}{suffix}"}
    shutil.copyfile(submission / "predictions" / f"{before}{suffix}", submission / document["predictions"])
    for folder in ("recipes", "freeze"):
        shutil.copyfile(submission / folder / f"{before}.json", submission / folder / f"{name}.json")
    (submission / "results" / f"{name}.json").write_text(json.dumps(document))
    assert "has the very predictions of seed" in "\n".join(checked(submission, None).problems)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"predictions": document["predictions"]}))
    text = "\n".join(checked(submission, None).problems)
    assert "are also those of another result" in text


@pytest.mark.parametrize("name", ["recipes/other.json", "predictions/other.csv", "freeze/other.txt"])
def test_a_file_of_no_result_is_refused(submission: Path, name: str) -> None:
    (submission / name).write_text("{}")
    assert f"{name} belongs to none of its results" in "\n".join(checked(submission, None).problems)


def test_a_card_of_another_backbone_is_refused(submission: Path) -> None:
    path = submission / "backbone.json"
    document = json.loads(path.read_text())
    card = document["card"] or {}
    path.write_text(json.dumps(document | {"card": card | {"id": "mae_vitl"}}))
    assert "its card is of 'mae_vitl'" in "\n".join(checked(submission, None).problems)
    path.write_text(json.dumps(document | {"card": card | {"evil": 1}}))
    assert "backbone.json: card: evil: Extra inputs" in "\n".join(checked(submission, None).problems)


def test_predictions_of_another_split_are_no_result(submission: Path, root: Path) -> None:
    """Perfect predictions of the training pictures, every hash and name made to fit, are not those of the test."""
    card = load_card("pa100k")
    (target,) = (submission / "predictions").glob("pa100k-*")
    tables = {"train": load_samples(card, "train", root)}
    task_for(card).predictions.write(card, tables, perfect(card, tables), target)
    _fit_predictions(submission, "pa100k", target)
    assert "pa100k" in {c.dataset for c in checked(submission, root).cells if c.verdict == "rejected"}
    edit_result(submission, "pa100k", split="train")
    assert "it is a result on the split 'train'" in "\n".join(checked(submission, root).problems)


def test_notes_on_the_numbers_are_recomputed(submission: Path, root: Path) -> None:
    path = result_file(submission, "market1501")
    info = json.loads(path.read_text())["info"]
    name = next(iter(info))
    edit_result(submission, "market1501", info=info | {name: 10**6})
    assert f"it notes {name} 1000000" in summary(checked(submission, root))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000 + "]" * 100_000, "not a proper JSON file"),
        ('{"a":' * 50 + "1" + "}" * 50, "deep"),
        ('{"cores": ' + "9" * 6000 + "}", "not a proper JSON file"),
        ('{"cores": ' + "9" * 4000 + "}", "a number beyond"),
        ("[1]", "a JSON object was expected"),
    ],
)
def test_the_environment_is_a_document_like_the_others(submission: Path, text: str, said: str) -> None:
    (submission / "environment.json").write_text(text)
    (problem,) = checked(submission, None).problems
    assert "environment.json" in problem
    assert said in problem


def test_a_key_twice_is_refused(submission: Path) -> None:
    path = result_file(submission, "pa100k")
    path.write_text(path.read_text().replace('"seed": 0,', '"seed": 0, "seed": 0,', 1))
    assert "a key occurs twice" in checked(submission, None).problems[0]


def test_a_result_of_an_earlier_schema_is_migrated(
    submission: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 0, in which the dataset was called `data`."""

    def rename(document: dict[str, Any]) -> dict[str, Any]:
        return {("dataset" if k == "data" else k): v for k, v in document.items()}

    monkeypatch.setitem(record._MIGRATIONS, 0, rename)
    path = result_file(submission, "pa100k")
    document = json.loads(path.read_text())
    path.write_text(
        json.dumps({("data" if k == "dataset" else k): v for k, v in document.items()} | {"schema_version": 0})
    )
    report = checked(submission, root)
    assert report.ok, report.problems


def test_another_recipe_or_freeze_report_is_named(submission: Path) -> None:
    (recipe,) = (submission / "recipes").glob("pa100k-*")
    document = json.loads(recipe.read_text())
    document["optim"]["lr"] *= 10
    recipe.write_text(json.dumps(document))
    (freeze,) = (submission / "freeze").glob("lip-*")
    freeze.write_text("{}")
    (absent,) = (submission / "recipes").glob("market1501-*")
    absent.unlink()
    text = "\n".join(checked(submission, None).problems)
    for said in ("the recipe has the hash", "not a freeze report", "its recipe recipes/market1501"):
        assert said in text


@pytest.mark.parametrize("version", [2, 0, "1", None, True])
def test_a_manifest_of_another_schema_is_refused(submission: Path, version: Any) -> None:
    path = submission / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": version}))
    assert "manifest.json: schema version" in check_submission(submission).problems[0]


def test_files_beside_the_manifest_are_named(submission: Path) -> None:
    (submission / "results" / "extra.json").write_text("{}")
    (submission / "environment.json").unlink()
    text = "\n".join(check_submission(submission).problems)
    assert "does not list 'results/extra.json'" in text
    assert "lists 'environment.json', which is not there" in text


def test_a_hostile_name_of_a_submission_is_shown_safely(submission: Path) -> None:
    path = submission / "manifest.json"
    name = "<script>\u202e\x1b[2Jx"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": name}))
    text = summary(check_submission(submission))
    assert text.startswith(f"{shown(name)}: ")
    assert "\x1b" not in text


def test_weights_of_two_kinds_are_two_submissions(honest: Path, tmp_path: Path) -> None:
    shutil.copytree(honest, tmp_path / "run")
    edit_result(tmp_path / "run", "lip", backbone="other")
    done = run("submit", tmp_path / "run", "--check")
    assert done.exit_code == 2
    assert "results of 2 sets of weights" in done.stderr


SEEN = {"market1501": "in-dataset", "nothing": "unseen-task", "undisclosed": "undisclosed", "cuhk03": "out-of-dataset"}


@pytest.mark.parametrize(("given", "scenario"), SEEN.items())
def test_what_the_backbone_saw_decides_the_scenario(
    honest: Path, root: Path, tmp_path: Path, given: str, scenario: str
) -> None:
    """The made results are of an unseen task; a submitter who now says what it saw is taken at their word."""
    done = run("submit", honest, "--pretrained-on", given, "--data-root", root, "--out", tmp_path / "s")
    assert done.exit_code == 0, done.output
    assert json.loads(result_file(tmp_path / "s", "market1501").read_text())["scenario"] == scenario


def test_a_submission_whose_scenario_does_not_follow_is_rejected(submission: Path, root: Path) -> None:
    path = submission / "backbone.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pretrained_on": ["market1501"]}))
    report = checked(submission, root)
    assert not report.ok
    assert "what the backbone was pretrained on makes it in-dataset" in summary(report)


def test_a_card_that_was_written_after_the_run_names_the_submission(honest: Path, root: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    text = CARD.replace('["pa100k"]', '["market1501"]')
    card.write_text(text)
    out = tmp_path / "s"
    done = run("submit", honest, "--card", card, "--submitter", "Ada L.", "--data-root", root, "--out", out)
    assert done.exit_code == 0, done.output
    result = json.loads(result_file(out, "market1501").read_text())
    assert (result["backbone"], result["checkpoint"], result["scenario"]) == ("ours", None, "in-dataset")
    assert json.loads((out / "backbone.json").read_text())["card"]["name"] == "Our Net"
    for wrong, said in (
        (text.replace('"ours"', '"mae_vitb"', 1), "mae_vitb is the id of a card that comes with humanbench"),
        (f"tensors_sha256 = ['{'0' * 64}']\n{text}", "its tensors_sha256 is not that of the run's weights"),
    ):
        card.write_text(wrong)
        done = run("submit", honest, "--card", card, "--check")
        assert done.exit_code == 2
        assert said in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("pa100kk", "no dataset has this id; did you mean pa100k?"),
        ("market1501, Coco_Pose", "did you mean coco_pose?"),
        ("", "name what the backbone has seen, or say undisclosed, or nothing"),
        (" , ", "name what the backbone has seen"),
    ],
)
def test_what_the_backbone_saw_is_not_misspelt(honest: Path, given: str, said: str) -> None:
    done = run("submit", honest, "--check", "--pretrained-on", given)
    assert done.exit_code == 2
    assert said in done.stderr
    for other in ("nothing", "imagenet-1k", "laion-2b,market1501"):
        assert "pretrained-on" not in run("submit", honest, "--check", "--pretrained-on", other).stderr


def test_a_run_without_predictions_cannot_be_submitted(honest: Path, tmp_path: Path) -> None:
    shutil.copytree(honest, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "predictions")
    done = run("submit", tmp_path / "run", "--check")
    assert done.exit_code == 2
    assert "is missing; a submission needs it" in done.stderr
