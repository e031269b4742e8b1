"""The command line as a person meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from humanbench.cards import cards
from humanbench.cli import main

HEAVY = {"torch", "pandas", "sklearn", "numpy", "scipy", "PIL", "pydantic", "timm", "numba"}


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args)


@pytest.mark.parametrize(
    "args", [["--help"], ["datasets", "--help"], ["score", "--help"], ["eval", "--help"], ["cache", "--help"]]
)
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "humanbench", *args], capture_output=True, text=True, check=True
    )
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "click" in imported, "the import log was not understood"
    assert not imported & HEAVY
    assert "Usage: humanbench" in done.stdout


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
