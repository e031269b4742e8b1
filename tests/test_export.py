"""`humanbench export`: the paper's layout, CSV, and the hub's model-index."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from humanbench.cards import load_card
from humanbench.errors import HumanbenchError
from humanbench.export import export
from humanbench.paths import shipped
from humanbench.results import load_results
from tests.evaluated import run as command
from tests.evaluated import write_dataset
from tests.made_runs import write_run

NAMES = ("pa100k", "shanghaitech_a", "market1501", "lip")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of four datasets and runs: `good` and `poor` of three seeds, `partial`, and one said to be synthetic."""
    folder = tmp_path_factory.mktemp("export")
    data = folder / "data"
    for name in NAMES:
        write_dataset(load_card(name), data)
    write_run(folder / "good", data, NAMES, 0.1)
    write_run(folder / "poor", data, NAMES[:2], 1.0, seeds=(1, 2, 3))
    write_run(folder / "other", data, NAMES[:1], 0.5, regime="partial", variant="open_norms")
    write_run(folder / "unreal", data, NAMES[:2], 0.3, synthetic=True)
    write_run(folder / "part", data, NAMES[:1], 0.3, subset="tenth")
    write_run(folder / "lost", data, NAMES[:1], 0.3, status="failed", reason="the loss is nan", metrics={})
    return folder


def rows_of(text: str) -> list[list[str]]:
    """Cells of the table lines of Markdown."""
    return [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_markdown_has_two_blocks_in_the_papers_order(made: Path) -> None:
    text = export(made / "good", made / "poor")
    assert re.findall(r"^\*\*(.*)\*\*$", text, re.M) == [
        "Human parsing, Person re-identification",
        "Pedestrian attributes, Crowd counting",
    ]
    rows = rows_of(text)
    assert rows[0] == ["backbone", "protocol", "LIP (mIoU ↑)", "Market (mAP ↑)"]
    assert rows[4] == ["backbone", "protocol", "PA-100K (mA ↑)", "SHA (MSE ↓)"]
    good = {r.dataset: r.value for r in load_results(made / "good")}
    assert rows[2][2:] == [f"{good['lip']:.1f}", f"{good['market1501']:.1f}"]
    assert rows[3] == ["poor", "head finetuning", "–", "–"]
    assert rows[6] == ["good", "head finetuning", f"**{good['pa100k']:.1f}**", f"**{good['shanghaitech_a']:.1f}**"]
    poor = load_results(made / "poor").over_seeds().set_index("dataset")
    poor_rows = [poor.loc[n] for n in ("pa100k", "shanghaitech_a")]
    expected = [f"{row['mean']:.1f} ± {(row['high'] - row['low']) / 2:.1f}" for row in poor_rows]
    assert rows[7][2:] == expected
    assert "mean over training seeds and half of its 95 % interval" in text


def test_all_19_columns_stand_as_in_the_papers_table(tmp_path: Path, made: Path) -> None:
    """A result of every evaluated dataset, in the order of the published numbers."""
    template = json.loads(next((made / "good" / "results").glob("pa100k*")).read_text())
    with (shipped("baselines") / "published" / "humanbench-cvpr2023.csv").open() as file:
        paper = [row for row in csv.DictReader(file) if row["method"] == "PATH" and row["regime"] == "full"]
    assert len(paper) == 19
    (tmp_path / "results").mkdir()
    for row in reversed(paper):
        card = load_card(row["dataset"])
        metric = {"value": float(row["value"]), "low": None, "high": None, "n": 1}
        document = template | {"dataset": card.id, "task": card.task, "main": row["metric"], "regime": "full"}
        document |= {"metrics": {row["metric"]: metric}, "cell": template["cell"] | {"id": card.id, "dataset": card.id}}
        (tmp_path / "results" / f"{card.id}.json").write_text(json.dumps(document))
    for form, pattern in (("markdown", r"(\d+\.\d) "), ("latex", r"(\d+\.\d) ")):
        text = export(tmp_path, form=form)
        lines = [line for line in text.splitlines() if "full finetuning" in line]
        numbers = [float(n) for line in lines for n in re.findall(pattern, line.split("full finetuning")[1])]
        assert numbers == [float(row["value"]) for row in paper]
        assert [len(re.findall(pattern, line)) for line in lines] == [8, 11]


def test_latex_is_balanced_and_escaped(made: Path, tmp_path: Path) -> None:
    named = write_run(tmp_path / "run", made / "data", ["pa100k", "lip"], 0.2, backbone=r"vit_b 100% \input{x} #1 $&~^")
    text = export(named, made / "poor", form="latex")
    assert r"vit\_b 100\% \textbackslash{}input\{x\} \#1 \$\&\textasciitilde{}\textasciicircum{} & head" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    for block in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.S):
        for line in (line for line in block[1].splitlines() if line.endswith(r"\\")):
            spans = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
            assert len(re.split(r"(?<!\\)&", line)) + spans == len(block[0])
    assert r"\cmidrule(lr){3-3}\cmidrule(lr){4-4}" in text
    assert r"MSE\,$\downarrow$" in text
    assert r"{\scriptsize$\pm$" in text


def test_synthetic_and_real_numbers_never_share_a_table(made: Path) -> None:
    both = [made / "good", made / "unreal", made / "part"]
    text = export(*both)
    assert re.findall(r"^### (.*)$", text, re.M) == ["mini", "mini, subset tenth", "mini, synthetic data"]
    real, subset, synthetic = re.split(r"^### .*$", text, flags=re.M)[1:]
    assert ("unreal" in real, "unreal" in synthetic, "good" in synthetic, "part" in real, "part |" in subset) == (
        False, True, False, False, True,
    )  # fmt: skip
    assert r"\caption{mini, synthetic data." in export(*both, form="latex")
    for form in ("csv", "model-card"):
        with pytest.raises(HumanbenchError, match="hold real and synthetic results"):
            export(*both, form=form)
    rows = list(csv.DictReader(io.StringIO(export(*both, form="csv", only="synthetic"))))
    assert {(row["backbone"], row["synthetic"]) for row in rows} == {("unreal", "true")}
    assert "unreal" not in export(*both, only="real")


def test_numbers_of_other_copies_never_share_a_table(made: Path, tmp_path: Path) -> None:
    harder = {"synthetic": True, "procedural": "mini-1, difficulty 0.5"}
    write_run(tmp_path / "harder", made / "data", ["pa100k"], **harder)
    text = export(made / "unreal", tmp_path / "harder")
    titles = ["mini, synthetic data", "mini, synthetic data, mini-1, difficulty 0.5"]
    assert re.findall(r"^### (.*)$", text, re.M) == titles
    usual, other = re.split(r"^### .*$", text, flags=re.M)[1:]
    assert ("harder" in usual, "harder" in other, "unreal" in other) == (False, True, False)
    rows = list(csv.DictReader(io.StringIO(export(tmp_path / "harder", form="csv"))))
    assert {row["procedural"] for row in rows} == {"mini-1, difficulty 0.5"}
    assert "synthetic copy, mini-1, difficulty 0.5" in export(tmp_path / "harder", form="model-card")


def test_csv_holds_every_metric(made: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(export(made / "good", made / "part", made / "lost", form="csv"))))
    for result in load_results(made / "good"):
        mine = [r for r in rows if (r["backbone"], r["dataset"]) == ("good", result.dataset)]
        assert {r["metric"]: float(r["value"] or "nan") for r in mine} == pytest.approx(
            {name: metric.value for name, metric in result.metrics.items()}, nan_ok=True
        )
        (main,) = [r for r in mine if r["main"] == "true"]
        assert (main["metric"], main["n"]) == (result.main, str(result.metrics[result.main].n))
    parts = {(r["dataset"], r["metric"]): r["part"] for r in rows if r["backbone"] == "good"}
    assert parts["lip", "IoU 1"] == "hat"
    assert (parts["pa100k", "ECE Hat"], parts["pa100k", "ECE"]) == ("Hat", "")
    assert {row["subset"] for row in rows if row["backbone"] == "part"} == {"tenth"}
    (lost,) = [row for row in rows if row["backbone"] == "lost"]
    assert (lost["status"], lost["reason"], lost["value"]) == ("failed", "the loss is nan", "")


def test_a_spreadsheet_takes_no_name_for_a_formula(made: Path, tmp_path: Path) -> None:
    named = write_run(tmp_path / "run", made / "data", ["pa100k"], 0.2, backbone='=HYPERLINK("http://x")')
    rows = csv.DictReader(io.StringIO(export(named, form="csv")))
    assert {row["backbone"] for row in rows} == {'\'=HYPERLINK("http://x")'}


def results_on(card: str) -> list[Any]:
    """The evaluations that the hub's own parser reads from a card."""
    data = ModelCard(card + "\n# A model\n").data
    return list(data.eval_results or [])


def test_the_hubs_parser_reads_the_model_card(made: Path) -> None:
    text = export(made / "good", form="model-card", name="my-model")
    assert ModelCard(text).data.model_name == "my-model"
    found = {(r.dataset_type, r.metric_name): r for r in results_on(text)}
    for result in load_results(made / "good"):
        card = load_card(result.dataset)
        assert card.evaluation is not None
        assert [m for d, m in found if d == card.id] == [n for n in card.evaluation.report if n in result.metrics]
        main = found[card.id, result.main]
        assert main.metric_value == pytest.approx(result.value, abs=1e-4)
        assert main.metric_args["n"] == result.metrics[result.main].n
        assert (main.dataset_config, main.dataset_split) == ("mini, head", result.split)
    assert found["lip", "mIoU"].task_type == "image-segmentation"


def test_a_card_tells_seeds_synthetic_data_and_subsets(made: Path) -> None:
    seeds = results_on(export(made / "poor", form="model-card"))[0]
    values = [r.value for r in load_results(made / "poor") if r.dataset == "pa100k"]
    assert seeds.metric_args["seeds"] == [1, 2, 3]
    assert seeds.metric_value == pytest.approx(sum(values) / 3, abs=1e-4)
    unreal = results_on(export(made / "unreal", form="model-card"))[0]
    assert (unreal.dataset_type, unreal.dataset_name) == ("pa100k-synthetic-copy", "PA-100K (synthetic copy)")
    part = results_on(export(made / "part", form="model-card"))[0]
    assert part.dataset_type == "pa100k-subset-tenth"
    with pytest.raises(HumanbenchError, match=r"hold 2 backbones \(good, poor\), and a model card is of one"):
        export(made / "good", made / "poor", form="model-card")
    with pytest.raises(HumanbenchError, match="no finished result"):
        export(made / "lost", form="model-card")


def test_rows_are_told_apart_and_failed_cells_shown(made: Path, tmp_path: Path) -> None:
    rows = rows_of(export(made / "good", made / "other", made / "lost"))
    assert [c.replace("&#95;", "_") for c in rows[-2][:2]] == ["other", "partial finetuning, open_norms"]
    assert rows[-1][:2] + rows[-1][2:3] == ["lost", "head finetuning", "failed"]
    shutil.copytree(made / "good", tmp_path / "again")
    for file in (tmp_path / "again" / "results").iterdir():
        document = json.loads(file.read_text())
        document["cell"] |= {"id": "x" + document["cell"]["id"], "weights_sha256": "7" * 64}
        file.write_text(json.dumps(document | {"checkpoint": "/home/me/epoch_9.pt"}))
    names = {row[0] for row in rows_of(export(made / "good", tmp_path / "again"))}
    assert "good (epoch&#95;9.pt, 77777777)" in names
    for file in (tmp_path / "again" / "results").iterdir():
        document = json.loads(file.read_text())
        document["cell"] |= {"weights_sha256": load_results(made / "good")[0].cell.weights_sha256}
        file.write_text(json.dumps(document | {"checkpoint": None}))
    with pytest.raises(HumanbenchError, match="holds 2 results of it for seed 0"):
        export(made / "good", tmp_path / "again")


def test_the_command_writes_what_the_function_returns(made: Path, tmp_path: Path) -> None:
    assert command("export", made / "good").stdout == export(made / "good")
    done = command("export", made / "good", "--format", "csv", "--out", tmp_path / "table.csv")
    assert (done.exit_code, done.stdout) == (0, "")
    assert (tmp_path / "table.csv").read_text() == export(made / "good", form="csv")
    for args, said in (
        ([tmp_path / "nowhere"], "there is no such run folder"),
        ([made / "good", "--only", "synthetic"], "none of 4 results is synthetic"),
        ([made / "good", made / "unreal", "--format", "csv"], "choose with --only real or --only synthetic"),
    ):
        failed = command("export", *args)
        assert (failed.exit_code, failed.stdout) == (2, "")
        assert said in failed.stderr
