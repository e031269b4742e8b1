"""`eval`, `plan` and `cache` as a person meets them: what they print, and what each mistake says."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from humanbench import suites
from humanbench.cards import load_card
from humanbench.cli import main
from tests.engine.toy import FAST

_ARCHITECTURE = ("embed_dim=16", "depth=3", "num_heads=2", "patch_size=16", "img_size=32")
VIT = ["--backbone", "vit", *(word for text in _ARCHITECTURE for word in ("--arch", text))]


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in args])


def fast(*args: str | Path, data_root: Path, out: Path, verb: str = "eval") -> Result:
    overrides = [w for key, value in FAST["attribute"].items() for w in ("--set", f"{key}={json.dumps(value)}")]
    return run(verb, *VIT, "--suite", "mini", "--data-root", data_root, "--out", out, *overrides, *args)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_a_table_for_people_and_json_for_programs(data_root: Path, out: Path) -> None:
    options = ("--task", "attribute", "--protocol", "head", "--device", "cpu")
    first = fast(*options, data_root=data_root, out=out)
    assert first.exit_code == 0, first.stderr
    assert "pa100k" in first.stdout
    assert "peta" in first.stdout
    assert "[2/2] peta-head-s0" in first.stderr
    second = fast(*options, "--json", data_root=data_root, out=out)
    documents = json.loads(second.stdout)
    assert [d["dataset"] for d in documents] == ["pa100k", "peta"]  # rapv2 is not on disk
    assert documents[0]["provenance"]["command"] != ""
    assert second.stderr.count("done before") == 2


def test_what_a_protocol_leaves_out_is_said(data_root: Path, out: Path) -> None:
    options = ("--protocol", "none", "--device", "cpu")
    some = fast(*options, data_root=data_root, out=out)
    assert some.exit_code == 0, some.stderr
    assert "--protocol none is for reid, attribute; left out: human36m_parsing, lip, cihp" in some.stderr
    assert "left out" not in fast(*options, "--task", "attribute", data_root=data_root, out=out).stderr


def test_a_failed_cell_is_exit_code_1(data_root: Path, out: Path) -> None:
    result = fast("--datasets", "pa100k", "--set", "optim.lr=1e30", "--seeds", "2", data_root=data_root, out=out)
    assert result.exit_code == 1
    assert "the loss is nan" in " ".join(result.stdout.split())
    assert "Traceback" not in result.output


def test_a_dry_run_shows_what_would_train_and_writes_nothing(data_root: Path, out: Path) -> None:
    result = fast("--datasets", "pa100k", "--dry-run", "--verbose", data_root=data_root, out=out)
    assert result.exit_code == 0, result.stderr
    for fact in (
        "regime partial",
        "backbone.trunk.blocks.2.mlp.fc2.weight",
        '"name": "adamw"',
        "9 iterations (3 epochs)",
    ):
        assert fact in result.stdout
    assert not out.exists()
    (document,) = json.loads(fast("--datasets", "pa100k", "--dry-run", "--json", data_root=data_root, out=out).stdout)
    cost = document["cost"]
    assert cost["trainable"] == sum(n for _, n in document["freeze"]["trainable"])
    assert (cost["train_images"], cost["test_images"]) == (24, 12)
    assert cost["gflops"] == pytest.approx(vit_flops() / 1e9)


def vit_flops() -> int:
    """Of one image: 4 patches and a class token, 2 for a multiply-add, as torch counts; attention products are counted
    too. Width 16, 3 blocks, 26 attributes."""
    tokens, width = 5, 16
    embedding = 2 * 4 * (3 * 16 * 16) * width
    linear = 2 * tokens * width * width * (3 + 1 + 4 + 4)  # qkv, projection, two of the MLP
    attention = 2 * 2 * tokens * tokens * width
    return embedding + 3 * (linear + attention) + 2 * width * 26


def test_plan_prints_commands_that_are_cells(data_root: Path, out: Path) -> None:
    options = ("--task", "attribute", "--protocol", "head", "--device", "cpu", "--seeds", "2")
    jobs = json.loads(fast(*options, "--json", data_root=data_root, out=out, verb="plan").stdout)
    assert [(j["dataset"], j["seed"]) for j in jobs] == [("pa100k", 0), ("pa100k", 1), ("peta", 0), ("peta", 1)]
    words = shlex.split(jobs[3]["command"])
    assert words[0] == "humanbench"
    done = run(*words[1:], "--json")
    assert done.exit_code == 0, done.stderr
    (document,) = json.loads(done.stdout)
    assert (document["dataset"], document["seed"]) == ("peta", 1)
    assert fast(*options, data_root=data_root, out=out).stderr.count("done before") == 1


def test_shards_are_all_cells_once(data_root: Path, out: Path) -> None:
    def names(*options: str) -> list[str]:
        asked = ("--datasets", "pa100k,peta", "--json", *options)
        result = fast(*asked, data_root=data_root, out=out, verb="plan")
        return [job["name"] for job in json.loads(result.stdout)]

    parts = [names("--shard", f"{i}/3") for i in (1, 2, 3)]
    assert [len(part) for part in parts] == [1, 1, 0]
    assert sorted(name for part in parts for name in part) == sorted(names())


def test_a_scenario_is_taken_where_a_protocol_is_asked(data_root: Path, out: Path) -> None:
    result = fast(
        "--protocol", "unseen-task", "--datasets", "pa100k,peta", "--json", data_root=data_root, out=out, verb="plan"
    )
    jobs = json.loads(result.stdout)  # random weights have seen nothing
    assert {job["regime"] for job in jobs} == {"partial"}
    assert len(jobs) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backbone", "mae_vitbb"], "did you mean mae_vitb"),
        (["--protocol", "partail"], "did you mean partial"),
        (["--protocol", "in-dataset", "--scenario", "unseen-task"], "contradict"),
        (["--scenario", "in-data"], "did you mean in-dataset"),
        (["--task", "reids"], "did you mean reid"),
        (["--datasets", "pa100"], "did you mean pa100k"),
        (["--datasets", "prcc"], "used in pretraining only"),
        (["--datasets", "rapv2"], "rapv2: no such folder under"),
        (["--suite", "mni"], "did you mean mini"),
        (["--set", "optim.lrr=1"], "optim.lrr: no such key; did you mean lr"),
        (["--set", "optim.lr=fast"], "optim.lr"),
        (["--set", "optim"], "KEY=VALUE"),
        (["--set", "head.widht=3", "--datasets", "pa100k"], "no such key"),
        (["--variant", "nothing", "--datasets", "pa100k"], "no recipe variant 'nothing'"),
        (["--shard", "3/2"], "1 <= i <= n"),
        (["--device", "tpu", "--datasets", "pa100k"], "choose cpu, cuda or cuda:N"),
        (["--device", "cuda:99", "--datasets", "pa100k"], "CUDA devices"),
        (
            ["--device", "cpu", "--set", "train.amp=fp16", "--datasets", "pa100k"],
            "train.amp=fp16 needs a GPU; on a CPU train.amp can be bf16 or no",
        ),
        (["--input", "boxes"], "NAME=FILE"),
        (["--input", "boxes=absent.json"], "no such file"),
        (["--protocol", "none", "--datasets", "crowdhuman"], "is for reid, attribute"),
        (["--subset", "few.csv"], "names samples of one dataset"),
        (["--subset", "absent.csv", "--datasets", "pa100k"], "no such subset file"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    data_root: Path, out: Path, options: list[str], message: str
) -> None:
    usual = [word for pair in (VIT, ["--suite", "mini"]) if pair[0] not in options for word in pair]
    result = run("eval", *usual, "--data-root", data_root, "--out", out, *options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not out.exists()


def test_no_dataset_found_says_where_and_what_was_looked_for(tmp_path: Path) -> None:
    result = run("eval", *VIT, "--data-root", tmp_path)
    assert result.exit_code == 2
    for fact in (f"under {tmp_path}", "market1501", "shanghaitech_b", "--suite mini"):
        assert fact in result.stderr


def test_the_mini_suite_is_written_on_first_use(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def synthesize(names: list[str], root: Path) -> None:
        from humanbench.data.samples import MARKER

        asked.append(names)
        for name in names:
            (root / name).mkdir()
            (root / name / MARKER).write_text("{}")

    monkeypatch.setattr(suites, "_synthesize", synthesize)
    for _ in range(2):
        result = run("eval", *VIT, "--suite", "mini", "--datasets", "sensereid", "--out", tmp_path / "run")
        assert result.exit_code == 1  # there is nothing in it to read
    trained_on = load_card("sensereid").id
    assert len(asked) == 1
    assert trained_on in asked[0]
    assert "market1501" in asked[0]  # SenseReID has no training split of its own
    assert "writing the embedded suite to" in (tmp_path / "run" / "log.txt").read_text()


def test_cache_info_and_clear(data_root: Path, out: Path, cache: Path) -> None:
    fast("--datasets", "pa100k", "--protocol", "head", data_root=data_root, out=out)
    cache_info = json.loads(run("cache", "info", "--json").stdout)
    assert cache_info["folder"] == str(cache)
    assert {"pa100k test, view 0 (plain), before layer group 5"} <= {e["about"] for e in cache_info["entries"]}
    assert run("cache", "clear").stderr.startswith("freed ")
    assert [e["part"] for e in json.loads(run("cache", "info", "--json").stdout)["entries"]] == ["files.sqlite"]
    wrong = run("cache", "clear", "everything")
    assert (wrong.exit_code, "no part 'everything'" in wrong.stderr) == (2, True)
