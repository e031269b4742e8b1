"""What a run has finetuned is listed, loaded again, and predicts a folder of pictures, in every task."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import humanbench
from humanbench.cards import load_card
from humanbench.cli import main
from humanbench.data.samples import load_samples
from humanbench.errors import HumanbenchError
from humanbench.evaluation import folder, pictures
from humanbench.evaluation.finetuned import load_finetuned
from humanbench.evaluation.folder import predict_folder
from humanbench.evaluation.pictures import packed, unpacked
from humanbench.tasks.pose.rescoring import CropPose
from humanbench.tasks.registry import task_for
from tests.engine.test_eval_cli import VIT
from tests.engine.toy import FAST, toy_backbone, write_datasets

DATASETS = ("market1501", "mpii", "coco_pose", "lip", "pa100k", "crowdhuman", "shanghaitech_b")


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Data root and run folder of a dataset that was finetuned for an iteration or two, made on first use."""
    made: dict[str, tuple[Path, Path]] = {}

    def get(name: str) -> tuple[Path, Path]:
        if name not in made:
            place = tmp_path_factory.mktemp(name)
            root = write_datasets(place / "data", name)
            settings = FAST[load_card(name).task] | {"train.epochs": 1}
            words = [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]
            done = invoke("eval", *VIT, "--suite", "mini", "--data-root", root, "--out", place / "run", "--device",
                          "cpu", "--datasets", name, "--no-cache", *words)  # fmt: skip
            assert done.exit_code == 0, done.output
            made[name] = (root, place / "run")
        return made[name]

    return get


def copies(root: Path, name: str, to: Path, count: int = 4) -> Path:
    """The first pictures of a dataset's test split in a folder of their own."""
    card = load_card(name)
    assert card.evaluation is not None
    table = load_samples(card, card.evaluation.test[0], root)
    (to / "more").mkdir(parents=True)
    for number, path in enumerate(dict.fromkeys(table["image"])):
        if number < count:
            shutil.copy(path, to / ("more" if number % 2 else "") / f"{number}{Path(path).suffix}")
    return to


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_of_pictures_in_every_task(
    name: str, finetuned: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    """What is written is what `score` reads, for as many pictures as there are, and every picture is drawn."""
    root, run = finetuned(name)
    given = copies(root, name, tmp_path / "given")
    done = invoke("predict", run, name, given, "--out", tmp_path / "out", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    card = load_card(name)
    listed = pictures.folder_pictures(card, given)
    model = load_finetuned(run, name)
    tables = model.predict(given, device="cpu").tables
    place = tmp_path / "out" / record["predictions"]
    task_for(card).predictions.read(card, tables, place)
    assert record["pictures"] == len(listed) == record["drawn"]
    drawn = sorted((tmp_path / "out" / "drawn").rglob("*.jpg"))
    assert len(drawn) == len(listed)
    assert all(Image.open(path).size[0] > 50 for path in drawn)
    assert record["humanbench"] == humanbench.__version__
    assert record["cell"].startswith(f"{name}-partial-s0-")
    assert not (tmp_path / "out" / "parts").exists()
    if card.task not in ("parsing", "detection", "counting"):
        assert record["assumed"], "that a picture is a person is said"
    assert json.loads((tmp_path / "out" / "prediction.json").read_text())["assumed"] == record["assumed"]


@pytest.mark.parametrize("name", ["pa100k", "shanghaitech_b", "market1501", "lip", "crowdhuman"])
def test_the_pictures_of_the_test_get_the_predictions_of_the_run(
    name: str, finetuned: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    """The file of the run itself is the oracle: same pictures, same weights, same numbers."""
    root, run = finetuned(name)
    card, model = load_card(name), load_finetuned(run, name)
    assert card.evaluation is not None
    tables = {split: load_samples(card, split, root) for split in card.evaluation.test}
    task = task_for(card).predictions
    expected = task.read(card, tables, run / str(model.result.predictions))
    rows = [path for table in tables.values() for path in table["image"]][:5]
    predictions = model.predict(rows, device="cpu", workers=0).value
    if name == "pa100k":
        np.testing.assert_allclose(predictions, expected[:5], atol=1e-5)
    elif name == "shanghaitech_b":
        np.testing.assert_allclose(predictions, expected[:5], rtol=1e-4, atol=1e-4)
    elif name == "market1501":
        np.testing.assert_allclose(predictions.query, expected.query[:5], atol=1e-5)
    elif name == "lip":
        for one, other in zip(predictions, expected[:5], strict=True):
            assert (one == other.load(one.shape, len(card.labels.classes))).mean() > 0.999
    else:
        mine = expected.rows < 5
        assert len(predictions.scores) == mine.sum()
        for row in range(5):
            ours, theirs = predictions.scores[predictions.rows == row], expected.scores[expected.rows == row]
            np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-4)


def test_people_in_boxes(finetuned: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    """MPII's people by the boxes of a file: as many predictions as boxes, none for the picture without one."""
    root, run = finetuned("mpii")
    given = copies(root, "mpii", tmp_path / "given", 3)
    names = [p.id for p in pictures.folder_pictures(load_card("mpii"), given)]
    width, height = Image.open(given / names[0]).size
    boxes = [
        {"image_id": names[0], "bbox": [0, 0, width / 2, height]},
        {"image_id": names[0], "bbox": [width / 2, 0, width / 2, height], "score": 0.5},
        {"image_id": Path(names[1]).stem, "bbox": [1, 1, 5, 9], "category_id": 1},
        {"image_id": names[1], "bbox": [1, 1, 5, 9], "category_id": 7},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    done = invoke(
        "predict", run, "mpii", given, "--boxes", tmp_path / "boxes.json", "--out", tmp_path / "out", "--json"
    )
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["people"], record["drawn"]) == (3, 2)
    assert record["assumed"] == ["1 pictures have no box, so nobody is looked for in them"]
    records = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [record["image_id"] for record in records] == [names[0], names[0], names[1]]
    joints = np.array([record["keypoints"] for record in records]).reshape(3, -1, 3)
    assert np.median(joints[0, :, 0]) < np.median(joints[1, :, 0])
    assert np.median(joints[2, :, :2]) < 20


def test_an_interrupted_prediction_goes_on(
    finetuned: Callable[[str], tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, run = finetuned("mpii")
    given, model = copies(root, "mpii", tmp_path / "given", 5), load_finetuned(run, "mpii")
    whole = predict_folder(model, given, tmp_path / "whole", device="cpu", workers=0, drawn=False)
    monkeypatch.setattr(pictures, "PORTION", 2)
    predict, calls = pictures.predict, []

    def interrupted(*args: Any, **options: Any) -> Any:
        calls.append(len(options["part"]))  # the samples of the portion
        if len(calls) == 3:
            raise KeyboardInterrupt
        return predict(*args, **options)

    monkeypatch.setattr(pictures, "predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict_folder(model, given, tmp_path / "out", device="cpu", workers=0)
    assert not (tmp_path / "out" / "predictions.json").exists()
    assert len(list((tmp_path / "out" / "parts").glob("*.safetensors"))) == 2
    damaged = tmp_path / "out" / "parts" / "00001.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    again = predict_folder(model, given, tmp_path / "out", device="cpu", workers=0, drawn=False)
    assert calls == [2, 2, 1, 2, 1]  # the first portion was kept, the damaged one computed again
    one, other = (json.loads(outcome.predictions.read_text()) for outcome in (whole, again))
    np.testing.assert_allclose([r["keypoints"] for r in one], [r["keypoints"] for r in other], atol=1e-4)
    predict_folder(model, given, tmp_path / "out", device="cpu", workers=0)
    assert len(calls) == 5  # done before; only drawn
    assert len(list((tmp_path / "out" / "drawn").rglob("*.jpg"))) == 5


def test_predictions_of_something_else_are_not_overwritten(
    finetuned: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    root, run = finetuned("pa100k")
    given = copies(root, "pa100k", tmp_path / "given")
    words = ("predict", run, "pa100k", given, "--out", tmp_path / "out", "--no-drawings")
    assert invoke(*words).exit_code == 0
    Image.new("RGB", (30, 60)).save(given / "another.png")
    refused = invoke(*words)
    assert refused.exit_code == 2
    assert "holds predictions of other pictures (4 there, 5 now); give another --out" in refused.stderr
    (given / "cut.png").write_bytes((given / "another.png").read_bytes()[:60])
    words = ("predict", run, "pa100k", given, "--out", tmp_path / "other")
    refused = invoke(*words)
    assert refused.exit_code == 2
    assert "1 of 6 pictures cannot be read" in refused.stderr
    done = invoke(*words, "--skip-unreadable", "--json")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["pictures"] == 5
    assert "cut.png" in record["skipped"][0]
    assert (tmp_path / "other/drawn/another.jpg").is_file()


def test_mistakes_are_one_sentence(finetuned: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    root, run = finetuned("pa100k")
    given = copies(root, "pa100k", tmp_path / "given", 2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "boxes.json").write_text("[]")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no picture")
    for words, message in (
        ((tmp_path, "pa100k", given), "no results here"),
        ((run, "pa100", given), "did you mean pa100k"),
        ((run, "peta", given), "`humanbench weights"),
        ((run, "pa100k", tmp_path / "nowhere"), "there is no such folder of pictures"),
        ((run, "pa100k", tmp_path / "empty"), "holds no picture"),
        ((run, "pa100k", tmp_path / "broken"), "not a readable image"),
        ((run, "pa100k", given, "--boxes", tmp_path / "boxes.json"), "boxes are for pose"),
        ((run, "pa100k", given, "--checkpoint", tmp_path / "absent.pth"), "had random weights"),
        ((run, "pa100k", given, "--device", "tpu"), "choose cpu, cuda or cuda:N"),
    ):
        result = invoke("predict", *words, "--out", tmp_path / "out")
        assert result.exit_code == 2, result.output
        assert message in result.stderr, result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "out" / "predictions.csv").exists()
    inside = invoke("predict", run, "pa100k", given, "--out", given / "out")
    assert (inside.exit_code, (given / "out").exists()) == (2, False)
    assert "lies in the folder of pictures" in inside.stderr


def test_weights_are_listed_counted_and_left_out(
    finetuned: Callable[[str], tuple[Path, Path]], run: Callable[..., Any], tmp_path: Path
) -> None:
    _, there = finetuned("pa100k")
    (listed,) = json.loads(invoke("weights", there, "--json").stdout)
    assert listed["bytes"] == Path(listed["file"]).stat().st_size
    assert listed["trainable"] > 0
    table = invoke("weights", there).stdout
    assert listed["cell"] in table
    assert "1 of 1 kept" in table
    result = run(protocol="head", weights=False)
    assert result.status == "done"
    (without,) = json.loads(invoke("weights", tmp_path / "run", "--json").stdout)
    assert without["file"] is None
    assert "not kept" in invoke("weights", tmp_path / "run").stdout
    with pytest.raises(HumanbenchError, match="its weights are not in the run folder"):
        load_finetuned(tmp_path / "run", "pa100k")


def test_another_backbone_is_refused_and_several_cells_are_asked_for(run: Callable[..., Any], tmp_path: Path) -> None:
    run(protocol="head")
    place = tmp_path / "run"
    with pytest.raises(HumanbenchError, match="not those that were finetuned"):
        load_finetuned(place, "pa100k", backbone=toy_backbone(1))
    model = load_finetuned(place, "pa100k", backbone=toy_backbone())
    assert not model.network.training
    run(protocol="head", seed=1)
    with pytest.raises(HumanbenchError, match="2 cells are of pa100k"):
        load_finetuned(place, "pa100k", backbone=toy_backbone())
    assert load_finetuned(place, "pa100k-head-s1", backbone=toy_backbone()).result.seed == 1
    (file,) = (place / "weights").glob("pa100k-head-s1*")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(HumanbenchError, match="not readable as safetensors"):
        load_finetuned(place, "pa100k-head-s1", backbone=toy_backbone())


def test_decoded_predictions_come_back_as_they_were() -> None:
    poses = [CropPose("a/b.jpg", None, np.arange(6.0).reshape(2, 3), 0.5, 7.0), CropPose("é", 3, np.ones((2, 3)), 1, 2)]
    for one, other in zip(unpacked(packed(poses), CropPose), poses, strict=True):
        assert (one.image_id, one.annotation_id, one.area) == (other.image_id, other.annotation_id, other.area)
        assert (one.keypoints == other.keypoints).all()
    assert unpacked(packed([1.5, (2, "x"), None]), None) == [1.5, (2, "x"), None]
    with pytest.raises(TypeError):
        packed([object()])


def test_a_folder_that_was_killed_while_writing_is_written_again(
    finetuned: Callable[[str], tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of label maps, which are a folder: it is there, and nothing says of what it is."""
    root, run = finetuned("lip")
    given, model = copies(root, "lip", tmp_path / "given", 2), load_finetuned(run, "lip")

    def killed(*args: Any) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(folder, "content_sha256", killed)
        with pytest.raises(KeyboardInterrupt):
            predict_folder(model, given, tmp_path / "out", device="cpu", workers=0)
    outcome = predict_folder(model, given, tmp_path / "out", device="cpu", workers=0)
    assert len(list(outcome.predictions.rglob("*.png"))) == 2
