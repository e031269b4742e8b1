"""The command line as a person meets it."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from humanbench.cards import cards
from humanbench.cli import main
from humanbench.cli.options import OneValue

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "pandas", "sklearn", "numpy", "scipy", "PIL", "pydantic", "timm", "numba"}


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def verbs(group: click.Group = main, *words: str) -> Iterator[tuple[list[str], click.Command]]:
    """Every command with the words that call it, groups before what is in them."""
    with click.Context(group) as ctx:
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            assert command is not None
            yield [*words, name], command
            if isinstance(command, click.Group):
                yield from verbs(command, *words, name)


@pytest.mark.parametrize("words", [[], *(words for words, _ in verbs())], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "humanbench", *words, "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "click" in imported, "the import log was not understood"
    assert not imported & HEAVY
    assert "Usage: humanbench" in done.stdout


@pytest.mark.parametrize(
    ("words", "function"),
    [
        ("compare", "comparison:compare"),
        ("datasets synthesize", "data.mannequin.suite:synthesize"),
        ("failures", "leaderboard.site.local_failures:write_failures"),
        ("groups", "by_group:subgroups"),
        ("leaderboard rerun", "leaderboard.submissions.rerun:rerun"),
        ("predict", "evaluation.folder:predict_folder"),
        ("score", "scoring:score"),
        ("submit", "leaderboard.submissions.bundle:gathered"),
    ],
)
def test_options_that_are_handed_on_are_arguments_of_their_function(words: str, function: str) -> None:
    command = next(command for called, command in verbs() if called == words.split())
    assert command.callback is not None
    named = inspect.signature(command.callback).parameters
    handed_on = {p.name for p in command.params} - set(named) - {"help", "quiet", "verbose", "settings"}
    module, name = function.split(":")
    assert handed_on
    assert handed_on <= set(inspect.signature(getattr(import_module(f"humanbench.{module}"), name)).parameters)


def test_list_names_all_datasets_and_says_which_are_there(tmp_path: Path) -> None:
    (tmp_path / "market1501").mkdir()
    result = run("datasets", "list", "--data-root", str(tmp_path), "--json")
    rows = {row["id"]: row for row in json.loads(result.stdout)}
    assert set(rows) == set(cards())
    assert rows["market1501"]["state"] == "present"
    assert rows["mpii"]["state"] == "absent"
    table = run("datasets", "list", "--task", "counting", "--data-root", str(tmp_path))
    assert "shanghaitech_a" in table.stdout
    assert "market1501" not in table.stdout
    assert "2 datasets, 0 on disk" in table.stderr


@pytest.mark.parametrize("name", sorted(cards()))
def test_show_tells_counts_layout_and_what_is_unsure(name: str) -> None:
    card = cards()[name]
    result = run("datasets", "show", name)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    for fact in (card.name, *card.unsure, *(f"{v:,}" for s in card.splits.values() for v in s.counts().values())):
        assert " ".join(fact.split()) in text.replace("\n", " ")
    assert json.loads(run("datasets", "show", name, "--json").stdout)["id"] == name


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["datasets", "show", "markt1501"], "did you mean market1501"),
        (["datasets", "verify"], "name the datasets to verify"),
        (["datasets", "verify", "market1501"], "there is no folder"),
        (["datasets", "preview", "market1501"], "humanbench datasets show market1501"),
        (["datasets", "list", "nothing*"], "no dataset matches"),
        (["datasets", "verify", "--all"], "no dataset found under"),
        (["backbones", "show", "timm:resnet50"], "have cards: it is used without one (--backbone timm:resnet50)"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_code_2(args: list[str], said: str, tmp_path: Path) -> None:
    if args[1] in {"verify", "preview"}:
        args = [*args, "--data-root", str(tmp_path)]
    result = run(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["evall"], "No such command 'evall'; did you mean eval?"),
        (["score", "pa100k", "--predictions", "p.csv", "--seed", "-3"], "-3 is not in the range 0<=x<=4294967295"),
        (["compare", "a", "b", "--seed", "-1"], "-1 is not in the range 0<=x<=4294967295"),
        (["datasets", "preview", "mpii", "--seed", "-1"], "-1 is not in the range 0<=x<=4294967295"),
        (["datasets", "synthesize", "pa100k", "--out", "x", "--scale", "nan"], "nan is not a finite number"),
        (["demo", "--scale", "inf", "--out", "x"], "inf is not a finite number"),
        (["demo", "--scale", "0", "--out", "x"], "0.0 is not in the range x>0"),
        (["eval", "--backbone", "vit", "--job", "timeout_min=1"], "--job is a setting of --cluster"),
        (["export", "x", "--out", "."], "File '.' is a directory"),
        (["leaderboard", "check", "nosuch"], "Path 'nosuch' does not exist"),
        (["leaderboard", "accept", "nosuch"], "Path 'nosuch' does not exist"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    args: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["compare", "mini_random-head", "mini_path-head", "--save"], ["export", "mini_random-head", "--out"]]
)
def test_a_place_that_cannot_be_written_is_named(words: list[str]) -> None:
    result = run(*words, "/proc/nothing/here.md")
    assert result.exit_code == 2
    assert result.stderr.startswith("humanbench: /proc/nothing/here.md: ")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--set", "train.epochs=-2"], "train.epochs: Input should be greater than or equal to 1 (found -2)"),
        (["--set", "train.iterations=0"], "train.iterations: Input should be greater than or equal to 1"),
        (["--set", "train.batch_size=0"], "train.batch_size: Input should be greater"),
        (["--set", "train.accumulate=0"], "train.accumulate: Input should be greater"),
        (["--set", "train.views=-1"], "train.views: Input should be greater"),
        (["--set", "schedule.warmup=-1"], "schedule.warmup: Input should be greater"),
        (["--set", "optim.lr=1e400"], "optim.lr: Input should be a finite number"),
        (["--set", "optim.lr=nan"], "optim.lr: Input should be"),
        (["--set", "optim.weight_decay=-1"], "optim.weight_decay: Input should be greater"),
        (["--set", "input.size=[0,0]"], "input.size.0: Input should be greater"),
        (["--set", "freezing.last=-1"], "freezing.last: Input should be greater"),
        (["--set", "optim=1"], "--set optim: is a section; give optim.KEY=VALUE"),
        (["--set", "optim.lr"], "--set takes KEY=VALUE, like optim.lr=1e-4; found 'optim.lr'"),
        (["--arch", "depth"], "--arch takes KEY=VALUE, like embed_dim=192; found 'depth'"),
        (["--arch", "depth=1", "--arch", "depth=2"], "--arch depth: is given twice, as 1 and 2"),
        (["--arch", "checkpoint=x"], "--arch checkpoint=x: is no argument of the network; give --checkpoint FILE"),
        (["--arch", "mean=half"], "--arch mean=half: is no argument of the network; give --mean R,G,B"),
        (["--arch", "mlp_ratio=nan", "--arch", "mlp_ratio=nan"], "--arch mlp_ratio=nan: is no number; give one"),
        (["--interpolation", "lanczos"], "interpolation='lanczos': is one of bilinear, bicubic"),
        (["--input", "boxes=pyproject.toml"], "--input boxes=…: no recipe of this run takes it"),
        (["--subset", "docs"], "docs: is a folder, not a subset file"),
        (
            ["--protocol", "none", "--datasets", "mpii,market1501"],
            "--protocol none is for reid, attribute: mpii (pose)",
        ),
        (["--datasets", "coco_pose", "--variant", "ap56"], "give their file as --input boxes=FILE"),
        (["--out", "pyproject.toml"], "pyproject.toml: is a file, and a run needs a folder"),
        (["--backbone", "docs"], "docs: is a folder; give the file in it, like docs/card.toml"),
        (["--backbone", "docs/images"], "docs/images: is a folder; give the file in it, like docs/images/card.toml"),
        (["--backbone", "LICENSE"], "LICENSE: is neither a card (.toml) nor a checkpoint"),
    ],
)
def test_a_wrong_eval_starts_nothing(
    args: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    given = ["--backbone", "vit", "--arch", "embed_dim=16", "--arch", "depth=1", "--arch", "num_heads=1"]
    given = given[2:] if "--backbone" in args else given
    given += [] if "--out" in args else ["--out", str(tmp_path / "run")]
    given += [] if "--datasets" in args else ["--datasets", "market1501"]
    given += [] if "--protocol" in args else ["--protocol", "head"]
    result = run("eval", *given, "--suite", "mini", "--data-root", str(tmp_path), *args)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "line",
    [
        "eval --backbone mini_path --suite mini --fraction 0.1 --fraction 0.25",
        "eval --backbone mini_path --fraction 0.1 --draw 1 --draw 1",
        "datasets synthesize pa100k --out a --out b",
        "leaderboard build --out a --out b",
    ],
)
def test_an_option_with_one_value_is_not_given_twice(line: str) -> None:
    """click would take the last without a word; options with many values and flags stay as they are."""
    option = line.split()[-2]
    refused = CliRunner().invoke(main, line.split())
    assert refused.exit_code == 2
    assert f"{option} is given 2 times; give it once" in refused.stderr


def test_every_command_refuses_options_that_are_given_twice() -> None:
    assert {type(command) for _, command in verbs() if not isinstance(command, click.Group)} == {OneValue}


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), shutil.Error([("from", "to", "[Errno 28] No space left on device")])],
)
def test_a_full_disk_is_one_sentence_that_names_what_was_written(
    error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing does not say where it failed, and copying tells all that failed, as a list."""

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(shutil, "copytree", full)
    done = run("leaderboard", "build", "--out", str(tmp_path / "site"))
    assert (done.exit_code, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"humanbench: {tmp_path / 'site'}: ")
    assert last.endswith("No space left on device")
    assert list(tmp_path.iterdir()) == []
