"""Writing procedural copies: the same bytes always, all or nothing, mistakes in one sentence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from humanbench.cards import cards, load_card
from humanbench.cli import main
from humanbench.cli.signals import ended_by_signals
from humanbench.data.mannequin import suite
from humanbench.data.mannequin.facts import facts_beside, facts_of
from humanbench.data.mannequin.labels import shoot
from humanbench.data.mannequin.pool import workers
from humanbench.data.mannequin.sampling import world_of
from humanbench.data.mannequin.sampling_plan import plan, sizes
from humanbench.data.mannequin.styles import style_of
from humanbench.data.mannequin.suite import synthesize
from humanbench.data.samples import MARKER, load_samples
from humanbench.errors import DataError
from tests.mannequin.copies import SCALE, Copies, content

FORMATS = (
    "caltech",  # text, MATLAB structs in cells, an odgt list, splits of the same pictures
    "cihp",  # index PNGs
    "coco_pose",  # JSON
    "cuhk03",  # PNG pictures
    "mpi_inf_3dhp",  # HDF5
    "parse27k",  # SQLite
    "threedpw",  # pickles
)


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(main, ["datasets", "synthesize", *(str(a) for a in args)])


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.xdist_group("mannequin")
def test_same_seed_same_bytes(copies: Copies, tmp_path: Path) -> None:
    """Two processes, another folder, another order of datasets and a later time change nothing."""
    out = tmp_path / "another" / "folder with a space"
    with workers(2) as pool:
        for name in reversed(FORMATS):
            synthesize(load_card(name), out, pool, SCALE)
    for name in FORMATS:
        copies.record(name)
        mine, theirs = tree(out / name), tree(copies.root / name)
        assert mine.keys() == theirs.keys()
        assert [path for path in mine if mine[path] != theirs[path]] == []
    assert sorted(p.name for p in out.iterdir()) == sorted(FORMATS)


@pytest.mark.xdist_group("mannequin")
def test_facts_of_scenes_are_of_the_pictures_that_are_there(copies: Copies) -> None:
    """Of every picture, as its scene is when it is taken again; crops have a person, with skin and clothes."""
    for name in ("cuhk03", "shanghaitech_b"):
        card, records = copies.record(name)
        world = world_of(card, 0)
        shots = [shot for listed in plan(card, world, SCALE).values() for shot in listed]
        first = load_samples(card, next(iter(records)), copies.root)["image"][0]
        known = {content(str(path)): facts for path, facts in facts_beside(Path(first)).items()}
        assert len(known) == len({shot.number for shot in shots})
        taken = copies.pictures / name / f"{shots[3].number:08d}.jpg"
        scene = shoot(card, world, shots[3])[0].scene
        assert known[content(str(taken))] == facts_of(world, shots[3], scene)
        assert (known[content(str(taken))].skin is None) == (name == "shanghaitech_b")


@pytest.mark.xdist_group("mannequin")
def test_another_seed_is_another_world(copies: Copies, tmp_path: Path) -> None:
    card, records = copies.record("shanghaitech_b")
    with workers(1) as pool:
        synthesize(card, tmp_path, pool, SCALE, seed=1)
    other = load_samples(card, "test", tmp_path)
    assert list(other["count"]) != list(records["test"]["count"])
    assert json.loads((tmp_path / card.id / MARKER).read_text())["seed"] == 1


@pytest.mark.xdist_group("mannequin")
def test_a_harder_copy_shows_the_same_people_worse(copies: Copies, tmp_path: Path) -> None:
    """The same clothes at places of the ground 1.6 times as far away, so smaller; more noise in the air."""
    card, records = copies.record("human36m_pose")
    with workers(1) as pool:
        synthesize(card, tmp_path, pool, SCALE, difficulty=1.0)
    assert json.loads((tmp_path / card.id / MARKER).read_text())["difficulty"] == 1.0
    assert "difficulty" not in json.loads((copies.root / card.id / MARKER).read_text())
    split = next(iter(records))
    plain, hard = records[split], load_samples(card, split, tmp_path)
    root, thorax = (card.labels.keypoints.index(name) for name in ("root", "thorax"))
    joints = [np.stack(list(table["keypoints"]))[..., :2] for table in (plain, hard)]
    backs = [np.linalg.norm(of[:, thorax] - of[:, root], axis=1).mean() for of in joints]  # no picture cuts them off
    assert 1 / 1.6 < backs[1] / backs[0] < 1 / 1.4  # the camera hangs above the ground, so a little less than 1.6 times
    steps = [
        np.mean([np.abs(np.diff(np.asarray(Image.open(p), float), axis=1)).mean() for p in table["image"][:5]])
        for table in (plain, hard)
    ]
    assert steps[1] > 1.5 * steps[0]


def test_difficulty_goes_evenly_from_the_style_to_its_end() -> None:
    card = load_card("crowdhuman")
    plain, half, hard = (world_of(card, 0, difficulty).style for difficulty in (0.0, 0.5, 1.0))
    assert plain == style_of(card.id, card.task)
    for way in ("obstacles", "bystanders", "gap"):
        assert getattr(half, way) == pytest.approx((getattr(plain, way) + getattr(hard, way)) / 2)
    assert hard.distance == pytest.approx([1.6 * metres for metres in plain.distance])
    assert hard.people == plain.people
    for name in ("exposure", "contrast", "blur", "noise", "quality"):
        plainly, between, hardest = (np.array(getattr(style.film, name)) for style in (plain, half, hard))
        assert np.abs(between - (plainly + hardest) / 2).max() <= (0.5 if name == "quality" else 1e-12)


@pytest.mark.xdist_group("mannequin")
def test_marker_tells_what_was_made(copies: Copies) -> None:
    _, records = copies.record("mpii")
    marker = json.loads((copies.root / "mpii" / MARKER).read_text())
    assert (marker["dataset"], marker["suite"], marker["scale"], marker["seed"]) == ("mpii", 2, SCALE, 0)
    assert {s: n["persons"] for s, n in marker["splits"].items()} == {s: len(t) for s, t in records.items()}


@pytest.mark.parametrize("name", sorted(cards()))
def test_splits_have_their_official_proportion(name: str) -> None:
    """Pictures per split at scale 1, where sources state the real numbers; at least 12, 100 in splits that are tested,
    at most the real number."""
    card = load_card(name)
    counts = sizes(card, world_of(card, 0).style, scale=1.0)
    tested = card.evaluation.test if card.evaluation else ()
    least = {s: 100 if s in tested else 12 for s in counts}
    real = {s: n for s in counts if (n := card.splits[s].images or card.splits[s].samples)}
    large = [s for s in real if counts[s] > least[s]]
    if large:  # one factor, rounded to whole pictures everywhere
        assert max((counts[s] - 0.5) / real[s] for s in large) <= min((counts[s] + 0.5) / real[s] for s in large)
    assert all(min(least[s], real.get(s, least[s])) <= counts[s] <= real.get(s, counts[s]) for s in counts)


def test_scale_goes_up_to_the_real_counts() -> None:
    card = load_card("pa100k")
    shots = plan(card, world_of(card, 0), scale=1000.0)
    assert {s: len(listed) for s, listed in shots.items()} == {"train": 80_000, "val": 10_000, "test": 10_000}


def test_a_copy_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    card = load_card("human36m_pose")
    with workers(1) as pool:
        synthesize(card, tmp_path, pool, SCALE)
        (tmp_path / card.id / "old").write_text("of the copy before")
        synthesize(card, tmp_path, pool, SCALE)
        assert not (tmp_path / card.id / "old").exists()
        (tmp_path / card.id / MARKER).unlink()
        before = tree(tmp_path)
        with pytest.raises(DataError, match=r"human36m_pose: is there already and no procedural copy"):
            synthesize(card, tmp_path, pool, SCALE)
    assert tree(tmp_path) == before


def test_a_failing_writer_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device", "picture.jpg")

    monkeypatch.setattr(suite, "_link", fail)
    result = run("human36m_pose", "--out", tmp_path, "--scale", str(SCALE), "--workers", "1")
    assert result.exit_code == 2
    assert result.stderr.strip() == "humanbench: picture.jpg: No space left on device"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["market1502"], "did you mean market1501"),
        (["no*such"], "no dataset matches"),
        ([], "name the datasets to write"),
        (["market1501", "--scale", "0"], "0"),
        (["market1501", "--workers", "0"], "0"),
        (["market1501", "--seed", "-1"], "-1"),
        (["market1501", "--difficulty", "1.5"], "1.5"),
        (["market1501", "--difficulty", "nan"], "nan is not a finite number"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(args: list[str], message: str, tmp_path: Path) -> None:
    result = run(*args, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["file", "below a file", "real data", "file in place", "not allowed"])
def test_places_that_cannot_be_written_to(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("a file")
    elif kind == "below a file":
        out.write_text("a file")
        out = out / "deeper"
    elif kind == "not allowed":
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        out.mkdir()
        out.chmod(0o500)
    else:
        out.mkdir()
        place = out / "pa100k" if kind == "file in place" else out / "pa100k" / "annotation.mat"
        place.parent.mkdir(exist_ok=True)
        place.write_text("not ours")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    result = run("pa100k", "--out", out, "--scale", str(SCALE), "--workers", "1")
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert str(out) in result.stderr
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


HEEDING = """
import os, signal, sys
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Python, with the signals heeded that shells and nohup have ignored in what runs in the background."""


def started(out: Path) -> subprocess.Popen[str]:
    """`synthesize` with two workers and minutes of work, once the first pictures are there."""
    command = [sys.executable, "-c", HEEDING, "-m", "humanbench", "datasets", "synthesize", "shanghaitech_a"]
    much = ["--out", str(out), "--scale", "20", "--workers", "2"]
    process = subprocess.Popen([*command, *much], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(out.glob(".*/*.jpg")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def children(parent: int) -> set[int]:
    """Ids of the processes that a process has started."""
    ids = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            ids.add(int(stat.parent.name))
    return ids


def alive(processes: set[int]) -> set[int]:
    """Those that are still at work; one that has ended and waits for its parent is not."""
    states = {}
    for number in processes:
        try:
            states[number] = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
    return {number for number, state in states.items() if state not in "ZX"}


def test_an_interrupt_leaves_nothing_half_written(tmp_path: Path) -> None:
    process = started(tmp_path)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert stderr.strip() == "humanbench: interrupted"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked for in /proc")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_workers_end_with_the_process_they_work_for(name: str, tmp_path: Path) -> None:
    """However it ends; where it can still do something, nothing half-written stays. SIGHUP has SIGTERM's handler."""
    process = started(tmp_path)
    helpers = children(process.pid)
    assert len(helpers) >= 2
    process.send_signal(signal.Signals[name])
    _, stderr = process.communicate(timeout=120)
    deadline = time.monotonic() + 60
    while alive(helpers):
        assert time.monotonic() < deadline, f"{alive(helpers)} of {helpers} still run"
        time.sleep(0.05)
    if name == "SIGKILL":
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 128 + signal.Signals[name]
        assert "Traceback" not in stderr
        assert list(tmp_path.iterdir()) == []


def test_a_terminal_that_closes_is_an_end_as_any_other() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with ended_by_signals():
        handler = signal.getsignal(signal.SIGHUP)
        assert handler == signal.getsignal(signal.SIGTERM)
        assert callable(handler)
        with pytest.raises(SystemExit) as ended:
            handler(signal.SIGHUP, None)
        assert ended.value.code == 128 + signal.SIGHUP
    assert signal.getsignal(signal.SIGHUP) == before


def test_procedural_pictures_need_no_torch() -> None:
    code = "import sys, humanbench.data.mannequin.suite; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
