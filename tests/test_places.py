"""Where datasets are looked for: the data root, places of single datasets, the user's configuration file."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import humanbench
from humanbench import suites
from humanbench.cards import load_card
from humanbench.cli import main
from humanbench.data.mannequin import suite
from humanbench.data.mannequin.pool import workers
from humanbench.data.samples import load_samples
from humanbench.data_root import find_data
from humanbench.errors import HumanbenchError
from humanbench.evaluation.plan import plan_for
from humanbench.evaluation.request import Request
from humanbench.provenance import command_line
from humanbench.run_log import RunLog
from tests.engine.toy import FAST, toy_backbone, write_datasets

Written = Callable[[str], tuple[Path, Path, object]]


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration file, not yet there; no environment variable but the one for its folder."""
    for name in ("HUMANBENCH_DATA", "HUMANBENCH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "settings" / "humanbench").mkdir(parents=True)
    return tmp_path / "settings" / "humanbench" / "config.toml"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of PA-100K whose folder has another name than its id."""
    root = write_datasets(tmp_path_factory.mktemp("data"), "pa100k")
    return (root / "pa100k").rename(root / "our copy")


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in args])


def folder(name: str, *args: str | Path) -> tuple[str, str]:
    """State and folder of a dataset, as `show` says."""
    page = run("datasets", "show", name, *args)
    assert page.exit_code == 0, page.output
    state, _, where = page.stdout.split("on disk", 1)[1].split("\n\n")[0].partition(":")
    return state.strip(), " ".join(where.split())


def test_the_nearer_word_wins(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {name: tmp_path / name for name in ("set", "option", "file", "variable", "root_of_file")}
    for place in places.values():
        place.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert find_data().folder("mpii") == tmp_path / "home" / "humanbench-data" / "mpii"
    config.write_text(f'data_root = "{places["root_of_file"]}"\n')
    assert find_data().folder("mpii") == places["root_of_file"] / "mpii"
    monkeypatch.setenv("HUMANBENCH_DATA", str(places["variable"]))
    assert find_data().folder("mpii") == places["variable"] / "mpii"
    config.write_text(f'data_root = "{places["root_of_file"]}"\n[datasets.mpii]\nroot = "{places["file"]}"\n')
    assert find_data().folder("mpii") == places["file"]
    assert find_data().folder("cihp") == places["variable"] / "cihp"
    assert find_data(places["option"]).folder("mpii") == places["option"] / "mpii"
    assert find_data(places["option"], {"mpii": places["set"]}).folder("mpii") == places["set"]
    assert find_data(find_data(None, {"cihp": places["set"]})).folder("mpii") == places["file"]


def test_verbs_that_read_data_take_a_place(elsewhere: Path, tmp_path: Path) -> None:
    here = ("--set", f"datasets.pa100k.root={elsewhere}", "--data-root", tmp_path)
    assert folder("pa100k", *here) == ("present", str(elsewhere))
    assert folder("mpii", *here) == ("absent", str(tmp_path / "mpii"))
    rows = {row["id"]: row["state"] for row in json.loads(run("datasets", "list", "--json", *here).stdout)}
    assert (rows["pa100k"], rows["market1501"]) == ("present", "absent")
    (report,) = json.loads(run("datasets", "verify", "pa100k", "--json", *here).stdout)
    assert {row["status"] for row in report["rows"] if row["check"] == "structure"} == {"ok"}
    drawn = run("datasets", "preview", "pa100k", "--out", tmp_path, *here)
    assert (drawn.exit_code, (tmp_path / "pa100k.png").is_file()) == (0, True)


def test_score_takes_a_place(written: Written) -> None:
    root, perfect, _ = written("pa100k")
    place = ("--set", f"datasets.pa100k.root={root / 'pa100k'}")
    scored = json.loads(run("score", "pa100k", "--predictions", perfect, *place, "--json").stdout)
    assert scored["metrics"]["mA"]["value"] == pytest.approx(100)


def test_eval_takes_a_place_and_records_it(elsewhere: Path, config: Path, tmp_path: Path) -> None:
    config.write_text(f'[datasets.pa100k]\nroot = "{elsewhere}"\n')
    overrides = FAST["attribute"] | {"train.epochs": 1}
    (result,) = humanbench.evaluate(
        toy_backbone(), "head", ["pa100k"], out=tmp_path / "run", device="cpu", set=overrides, variant=None
    )
    assert result.status == "done", result.reason
    assert result.provenance is not None
    assert f"'datasets.pa100k.root': '{elsewhere}'" in result.provenance.command
    words = [w for key, value in overrides.items() for w in ("--set", f"{key}={json.dumps(value)}")]
    command = ("eval", "--backbone", "vit", "--arch", "embed_dim=16", "--arch", "depth=2", "--arch", "num_heads=2")
    options = ("--arch", "patch_size=16", "--arch", "img_size=32", "--device", "cpu", "--protocol", "head", "--json")
    config.unlink()
    place = f"datasets.pa100k.root={elsewhere}"
    done = run(*command, *options, *words, "--datasets", "pa100k", "--out", tmp_path / "run", "--set", place)
    assert done.exit_code == 0, done.output
    (again,) = json.loads(done.stdout)
    assert again["cell"]["data_sha256"] == result.cell.data_sha256  # where data lie says nothing of what they are


def test_the_embedded_suite_is_its_own_unless_a_place_is_named(
    elsewhere: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def synthesize(names: list[str], root: Path) -> None:
        asked.append(names)

    monkeypatch.setattr("humanbench.suites._synthesize", synthesize)
    config.write_text(f'[datasets.pa100k]\nroot = "{elsewhere}"\n')
    common = {"backbone": toy_backbone(), "datasets": "pa100k,peta", "suite": "mini", "out": tmp_path / "run"}
    plan = plan_for(Request(**common))
    assert plan.context.data_root.folder("pa100k").name == "pa100k"
    assert asked == [["pa100k", "peta"]]
    plan = plan_for(Request(**common, set=[f"datasets.pa100k.root={elsewhere}"]))
    assert plan.context.data_root.folder("pa100k") == elsewhere
    assert asked[1:] == [["peta"]]


def test_the_embedded_suite_is_had_where_no_cache_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cache is a file here, so nothing can be made below it: the suite is written for the run alone, said once."""
    suites._own_root.cache_clear()
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)

    def synthesize(names: list[str], root: Path) -> None:
        with workers(1) as pool:
            for name in names:
                suite.synthesize(load_card(name), root, pool, 0.01)

    monkeypatch.setattr(suites, "_synthesize", synthesize)
    root = suites.synthesized([load_card("shanghaitech_b")], RunLog())
    assert len(load_samples("shanghaitech_b", "test", root))
    said = capsys.readouterr().err
    assert said.count("the embedded suite cannot be kept (Not a directory)") == 1
    assert suites.synthesized([load_card("shanghaitech_b")], RunLog()) == root
    suites._own_root.cache_clear()


def test_jobs_of_a_plan_know_the_place(elsewhere: Path, config: Path, tmp_path: Path) -> None:
    config.write_text(f'[datasets.pa100k]\nroot = "{elsewhere}"\n')
    options = ("--backbone", "vit", "--arch", "embed_dim=16", "--arch", "depth=2", "--arch", "num_heads=2")
    (job,) = json.loads(run("plan", *options, "--datasets", "pa100k", "--out", tmp_path / "run", "--json").stdout)
    assert f"datasets.pa100k.root={elsewhere}" in shlex.split(job["command"])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("datasets.pa100k.root=/nowhere/at/all", "there is no folder /nowhere/at/all"),
        ("datasets.pa100.root=/", "did you mean pa100k"),
        ("datasets.pa100k.rot=/", "datasets.ID.root=DIR"),
        ("datasets.pa100k.root=7", "there is no folder 7"),
        ("optim.lr=1", "datasets.ID.root=DIR"),
        ("datasets.pa100k.root", "KEY=VALUE"),
    ],
)
def test_a_wrong_place_is_one_sentence(setting: str, said: str, tmp_path: Path) -> None:
    verbs = [["datasets", "list"], ["datasets", "verify", "pa100k"], ["score", "pa100k", "--predictions", "x.csv"]]
    if setting.startswith("datasets"):
        verbs.append(["eval", "--backbone", "vit", "--out", str(tmp_path / "run")])
    for verb in verbs:
        result = run(*verb, "--set", setting)
        assert result.exit_code == 2, result.output
        assert said in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data_root = 1", "data_root"),
        ("[datasets.pa100k]\nrot = '/x'", "datasets.pa100k"),
        ("[datasets.pa100]\nroot = '/x'", "did you mean pa100k"),
        ("[datasets.pa100k]\nroot = 'data/pa100k'", "a folder's full path is wanted"),
        ("[datasets", "not a readable TOML file"),
        ("[datasets.pa100k]\nroot = '/nowhere/at/all'", "there is no folder /nowhere/at/all"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    result = run("datasets", "verify", "pa100k")
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_configuration_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUMANBENCH_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(HumanbenchError, match=r"absent\.toml: there is no such file"):
        find_data()
    assert find_data(tmp_path).base == tmp_path


def test_a_command_is_recorded_as_it_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("/somewhere/bin/humanbench", "/somewhere/humanbench/__main__.py"):
        monkeypatch.setattr("sys.argv", [program, "eval", "--set", "datasets.pa100k.root=/our copy"])
        assert command_line() == "humanbench eval --set 'datasets.pa100k.root=/our copy'"
