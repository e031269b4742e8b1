"""Following a run: lines where there is no terminal, how much is said, the CSV file of a training, and trackers."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import accelerate.tracking
import click
import pytest
from accelerate.tracking import GeneralTracker
from click.testing import CliRunner

from humanbench import progress
from humanbench.cli import main
from humanbench.engine.trackers import Follower, tracker_names
from humanbench.errors import HumanbenchError
from humanbench.progress import Loudness, said_at, steps, track
from humanbench.results import Result
from humanbench.run_log import RunLog
from tests.engine.test_eval_cli import fast
from tests.pretrain import small


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass."""
    now = [0.0]
    monkeypatch.setattr(progress, "clock", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_without_a_terminal_there_is_a_line_a_minute(later: Callable[[float], None]) -> None:
    lines: list[str] = []
    with steps("fit", 100, "images", lines.append) as advance:
        for _ in range(100):
            later(2)
            advance(8, "loss 0.5")
    assert lines[0] == "  fit: 30 of 100 (30 %), 4 images/s, 2 min left; loss 0.5"
    assert lines[1:] == [
        "  fit: 60 of 100 (60 %), 4 images/s, 80 s left; loss 0.5",
        "  fit: 90 of 100 (90 %), 4 images/s, 20 s left; loss 0.5",
        "  fit: 100 in 3 min",
    ]


def test_what_takes_less_than_a_minute_is_not_spoken_of(
    later: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in track(range(10), "short"):
        later(5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("level", "lines"), [(Loudness.QUIET, 0), (Loudness.NORMAL, 2), (Loudness.VERBOSE, 7)])
def test_how_often_progress_is_said(
    level: Loudness, lines: int, later: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with said_at(level):
        for _ in track(range(7), "things"):
            later(10)
        assert progress.loudness() is level
    assert len(capsys.readouterr().err.splitlines()) == lines
    assert progress.loudness() is Loudness.NORMAL


def test_a_quiet_run_keeps_its_progress_in_the_log(
    later: Callable[[float], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with said_at(Loudness.QUIET):
        log = RunLog(tmp_path / "log.txt")
        log.info("begins")
        log.step("epoch 1")
        with log.bar("fit", 2) as advance:
            for _ in range(2):
                later(60)
                advance(3)
    assert capsys.readouterr().err == ""
    lines = [line.split("  ", 1)[1].strip() for line in (tmp_path / "log.txt").read_text().splitlines()]
    assert lines[:3] == ["begins", "epoch 1", "fit: 1 of 2 (50 %), 0 images/s, 60 s left"]


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


SHORT = {
    "backbones", "cache", "datasets list", "datasets show", "datasets preview", "datasets extract", "export", "plan",
    "doctor", "leaderboard serve", "leaderboard withdraw", "weights",
}  # fmt: skip
"""Verbs, or groups of them, that say nothing while they work, or whose progress nobody needs."""


def test_every_long_verb_can_be_quiet_and_verbose() -> None:
    loud = {
        " ".join(words): {option for p in command.params for option in p.opts}
        for words, command in commands(main)  # type: ignore[arg-type]
    }
    without = {name for name, options in loud.items() if not {"-q", "--quiet", "-v", "--verbose"} <= options}
    assert {name for name in without if name not in SHORT and name.split()[0] not in SHORT} == set()


def test_quiet_and_verbose_exclude_each_other() -> None:
    result = CliRunner().invoke(main, ["score", "pa100k", "--predictions", "x.csv", "-q", "-v"])
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_an_evaluation_says_its_epochs_or_nothing_or_everything(data_root: Path, tmp_path: Path) -> None:
    options = ("--datasets", "pa100k", "--protocol", "head", "--device", "cpu", "--set", "train.views=1")
    normal = fast(*options, data_root=data_root, out=tmp_path / "a")
    assert [line.split(":")[0].strip() for line in normal.stderr.splitlines() if "epoch" in line] == [
        f"epoch {number}/3" for number in (1, 2, 3)
    ]
    assert "frozen trunk: outputs of 24 images stored" in normal.stderr
    quiet = fast(*options, "-q", data_root=data_root, out=tmp_path / "b")
    assert quiet.stderr == ""
    assert "pa100k" in quiet.stdout
    assert "epoch 3/3" in (tmp_path / "b" / "log.txt").read_text()
    verbose = fast(*options, "-v", data_root=data_root, out=tmp_path / "c")
    assert any(line.startswith("$ ") for line in verbose.stderr.splitlines())
    assert not any(line.startswith("$ ") for line in normal.stderr.splitlines())


def rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_every_training_has_a_csv_file(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run(protocol="head")
    (file,) = (tmp_path / "run" / "curves").glob("*.csv")
    read = rows(file)
    assert [row["epoch"] for row in read] == [1, 2, 3]
    assert [row["iteration"] for row in read] == [3, 6, 9]
    assert [row["loss"] for row in read] == pytest.approx([epoch["loss"] for epoch in result.history])
    assert all(row["lr"] > 0 for row in read)
    assert file.stem == Path(result.predictions or "").stem


def test_a_training_that_goes_on_keeps_the_rows_before_and_drops_those_after(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    first = Follower(file, RunLog(None, loud=False))
    for step in (3, 6, 9):
        first.row(step, {"loss": 1 / step})
    again = Follower(file, RunLog(None, loud=False))
    again.begin(6)
    again.row(9, {"loss": 0.5, "more": 1.0})
    assert [line.split(",")[0] for line in file.read_text().splitlines()] == ["iteration", "3", "6", "9"]
    assert file.read_text().splitlines()[-1] == "9,0.5,1"
    anew = Follower(file, RunLog(None, loud=False))
    anew.begin(0)
    anew.row(3, {"loss": 2.0})
    assert rows(file) == [{"iteration": 3, "loss": 2.0}]


def test_a_pretraining_has_one_too(tmp_path: Path) -> None:
    loop = small.work(small.recipe(), small.write(tmp_path / "data"), tmp_path / "checkpoint.pt")
    loop._follower = Follower(tmp_path / "curves.csv", RunLog(None, loud=False))
    state = loop.run()
    read = rows(tmp_path / "curves.csv")
    assert [row["iteration"] for row in read] == [2, 4]
    losses = {name for name in state.history[-1] if name != "step"}
    assert losses
    assert {name: read[-1][name] for name in losses} == pytest.approx({n: state.history[-1][n] for n in losses})


class Remembering(GeneralTracker):
    """A tracker that remembers what it is told."""

    name = "remembering"
    requires_logging_directory = False
    told: list[tuple[str, Any, int | None]] = []
    breaks = ""

    def __init__(self, project: str, **options: Any) -> None:
        super().__init__()
        self._said("open", project)

    def _said(self, what: str, value: Any, step: int | None = None) -> None:
        if what == self.breaks:
            raise RuntimeError("no network")
        self.told.append((what, value, step))

    @property
    def tracker(self) -> Any:
        return self.told

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self._said("config", values)

    def log(self, values: dict[str, Any], step: int | None = None, **kwargs: Any) -> None:
        self._said("log", values, step)

    def finish(self) -> None:
        self._said("finish", None)


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> type[Remembering]:
    """A tracker that accelerate knows and has."""
    monkeypatch.setitem(accelerate.tracking.LOGGER_TYPE_TO_CLASS, "remembering", Remembering)
    installed = [*accelerate.tracking.get_available_trackers(), "remembering"]
    monkeypatch.setattr(accelerate.tracking, "get_available_trackers", lambda: installed)
    monkeypatch.setattr(Remembering, "told", [])
    return Remembering


def test_a_tracker_hears_of_epochs_and_of_the_test(run: Callable[..., Result], remembering: type[Remembering]) -> None:
    result = run(protocol="head", log="remembering,csv")
    kinds = [what for what, _, _ in remembering.told]
    assert kinds == ["open", "config", "log", "log", "log", "log", "finish"]
    config = remembering.told[1][1]
    assert config["dataset"] == "pa100k"
    assert config["train.epochs"] == 3
    epochs = remembering.told[2:5]
    assert [step for *_, step in epochs] == [3, 6, 9]
    assert [values["loss"] for _, values, _ in epochs] == pytest.approx([epoch["loss"] for epoch in result.history])
    finite = {f"test/{n}": m.value for n, m in result.metrics.items() if math.isfinite(m.value)}
    assert remembering.told[5][1] == pytest.approx(finite)


@pytest.mark.parametrize("breaks", ["open", "config", "log", "finish"])
def test_a_tracker_that_fails_costs_no_training(
    breaks: str, run: Callable[..., Result], remembering: type[Remembering], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(remembering, "breaks", breaks)
    assert run(protocol="head", log=["remembering"]).status == "done"
    log = (tmp_path / "run" / "log.txt").read_text()
    assert log.count("the tracker remembering could not") == 1
    assert "RuntimeError: no network" in log


@pytest.mark.parametrize(
    ("asked", "message"),
    [("tensorbord", "did you mean tensorboard"), ("csv,wandb", "`pip install wandb` brings it")],
)
def test_a_tracker_that_is_unknown_or_not_installed_is_said_before_anything_is_done(
    asked: str, message: str, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerate.tracking, "get_available_trackers", lambda: [])
    result = fast("--datasets", "pa100k", "--log", asked, data_root=data_root, out=tmp_path / "run")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
    pretraining = CliRunner().invoke(
        main, ["pretrain", "--suite", "mini", "--log", asked, "--out", str(tmp_path / "p")]
    )
    assert (pretraining.exit_code, pretraining.stderr) == (2, result.stderr)
    assert not (tmp_path / "p").exists()


def test_csv_alone_needs_nothing() -> None:
    assert tracker_names("csv") == tracker_names(None) == tracker_names([" CSV ", ""]) == ()
    with pytest.raises(HumanbenchError, match="no such tracker"):
        tracker_names(["nothing"])


def test_tensorboard_has_a_run_per_cell(run: Callable[..., Result], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (extra dev)")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = run(protocol="head", log="tensorboard")
    (folder,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert folder.name == Path(result.predictions or "").stem
    read = EventAccumulator(str(folder)).Reload()
    losses = read.Scalars("loss")
    assert [one.step for one in losses] == [3, 6, 9]
    assert [one.value for one in losses] == pytest.approx([epoch["loss"] for epoch in result.history])
    assert read.Scalars(f"test/{result.main}")[0].value == pytest.approx(result.value)
