"""Malformed inputs over all verbs, seeded and bounded: every one must end in one sentence, and nothing forged comes in.

    python -m tools.fuzz [--inputs 3000] [--kills 200] [--seed 0] [FAMILY ...]

Each input runs in this process with a limit of seconds. The table says per family: tried / harmless (it ended as if
nothing were wrong, and may) / one sentence / traceback / hang / wrongly accepted. Ends with 1 where one of the last
three is not 0. `tests/test_fuzz.py` runs a sample.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from humanbench.cli import main as command_line
from humanbench.errors import HumanbenchError

PATIENCE = 20
"""Seconds after which an input counts as one that hangs."""

OUTCOMES = ("well", "sentence", "traceback", "hang", "accepted")

ODD = (
    "",
    " ",
    "-1",
    "0",
    "1e999",
    "nan",
    "inf",
    "9" * 20,
    "9" * 400,
    "1.5",
    "true",
    "١٢",
    "１２",
    "1_000",
    "../x",
    "/dev/null",
    "/",
    "~nobody/x",
    "x" * 300,
    "\u202ex",
    "a\nb",
    "*",
    "[",
    "{}",
    "[[[[",
    "'",
    '"',
    "=1",
    "é",
    "\x00x",
    "none",
    "None",
    "full",
    "pa100k",
    "pa100kk",
    "market1501",
    "mae_vitb",
    "timm:resnet18",
    "hf-hub:x",
    "vit",
    "random:vit",
    "a=b",
    "optim.lr=x",
    "train=1",
    "test.x=[",
    "datasets.x.root=/",
    "0/0",
    "1/2",
    "cuda:99",
    "json",
    "hf:x",
    "hf:x/y",
)
"""Values for options and arguments."""

HOSTILE: tuple[Any, ...] = (
    None,
    True,
    False,
    -1,
    0,
    5e-324,
    1e308,
    10**30,
    10**400,
    "",
    "x",
    "9",
    "a\nb",
    "x" * 5000,
    [],
    {},
    [[]],
    {"a": []},
    -0.5,
)
"""Values for keys of JSON documents."""


VALUES = ("5", "-1", '"x"', "[]", "0.0", "true", "[0, 0, 0]", "{}", "nan", "9" * 30)
"""Values for keys of TOML files."""


class TookTooLong(BaseException):
    """The input's time is over. No `Exception`: nothing in the way may take it for an error of the input."""


@dataclass
class Family:
    """A kind of inputs: `one` tries a single one and says how it ended."""

    name: str
    share: int
    one: Callable[[random.Random], str]
    counts: Counter[str] = field(default_factory=Counter)
    worst: list[str] = field(default_factory=list)


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """`TookTooLong` in the block after so many seconds."""

    def ring(*_: Any) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ran(*words: str | Path) -> str:
    """How a command ended."""
    done = CliRunner().invoke(command_line, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if done.exit_code in (0, 1):
        return "well"
    said = [line for line in done.stderr.splitlines() if line.strip()]
    if "Traceback" in done.stderr or not said:
        raise RuntimeError(f"no sentence: {done.stderr[-300:]!r}")
    return "sentence"


def called(work: Callable[[], object]) -> str:
    """How a function ended."""
    try:
        work()
    except HumanbenchError as error:
        if not str(error).strip():
            raise RuntimeError("an error without a sentence") from error
        return "sentence"
    return "well"


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bytes with one thing wrong with them."""
    kind = rng.randrange(6)
    place = rng.randrange(max(1, len(content)))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]
    if kind == 2:
        return content[:place] + rng.randbytes(rng.choice((1, 7, 200))) + content[place:]
    if kind == 3:
        return content[:place] + rng.choice(ODD).encode("utf-8", "replace") + content[place + 1 :]
    if kind == 4:
        return content[:place] + content[place + rng.choice((1, 10, 1000)) :]
    return rng.choice((b"", b"\x00", b"[", b"{}", b"[" * 20_000, b"\xff\xfe", b"PK\x03\x04", content + content))


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values of a JSON document."""
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in list(pairs)[:50]:
        yield (*path, name)
        yield from leaves(value, (*path, name))


def replaced(document: Any, rng: random.Random) -> tuple[Any, tuple[Any, ...]]:
    """The document with one value replaced or gone, and where."""
    found = json.loads(json.dumps(document))
    path = rng.choice(list(leaves(found)) or [()])
    if not path:
        return rng.choice(HOSTILE), ()
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    if rng.random() < 0.15:
        del inner[path[-1]]
    else:
        inner[path[-1]] = rng.choice(HOSTILE)
    return found, path


HARMLESS = {
    "packages",
    "python",
    "platform",
    "device",
    "command",
    "started",
    "git_commit",
    "git_dirty",
    "cache",
    "history",
    "seconds",
    "images_per_second",
    "processes",
    "dataset_fingerprint",
    "cost",
    "info",
    "schema_version",
}
"""Keys of a result that nobody can hold against anything: what they say is shown as the submitter's."""


class Ground:
    """Small datasets, perfect predictions, a run, its submission, checkpoints: what inputs are made of."""

    def __init__(self, place: Path) -> None:
        from humanbench.cards import load_card
        from humanbench.leaderboard.submissions.bundle import gathered, write_submission
        from humanbench.tasks.registry import task_for
        from tests.evaluated import EXAMPLES, perfect, prediction_path, scored_tables, write_dataset
        from tests.leaderboard.honest import write_honest_run

        self.place, self.data = place, place / "data"
        self.predictions: dict[str, Path] = {}
        for name in EXAMPLES:
            card = load_card(name)
            write_dataset(card, self.data)
            tables = scored_tables(card, self.data)
            path = prediction_path(card, place / "predictions" / name)
            path.parent.mkdir(parents=True)
            task_for(card).predictions.write(card, tables, perfect(card, tables), path)
            self.predictions[name] = path
            ran("score", name, "--predictions", path, "--data-root", self.data)  # its loops are compiled now
        self.run = write_honest_run(place / "run", self.data, ["pa100k"])
        with gathered(self.run, "Fuzz") as folder:
            self.submission = write_submission(folder, place / "submission")
            self.archive = write_submission(folder, place / "submission.zip")
        self.checkpoints = self._checkpoints()
        self.annotations = [
            p for p in self.data.rglob("*") if p.is_file() and p.suffix not in (".jpg", ".png", ".jpeg")
        ]

    def _checkpoints(self) -> list[Path]:
        import torch
        from safetensors.torch import save_file

        from humanbench.backbones import load_backbone

        small = {"embed_dim": 32, "depth": 2, "num_heads": 4, "patch_size": 8, "img_size": 32}
        state = {k: v.contiguous() for k, v in load_backbone("random:vit", **small).trunk.state_dict().items()}
        self.state, folder = state, self.place / "checkpoints"
        folder.mkdir()
        save_file(state, folder / "a.safetensors")
        torch.save(state, folder / "b.pth")
        torch.save({"model": state, "epoch": 3}, folder / "c.pth")
        return sorted(folder.iterdir())

    def scratch(self) -> Path:
        """An empty folder for one input."""
        here = self.place / "scratch"
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        return here


def options(ground: Ground, rng: random.Random) -> str:
    """Any verb with odd values for its options and arguments; those that work for hours are not begun."""
    import click

    verbs = [
        "backbones",
        "cache",
        "compare",
        "datasets",
        "eval",
        "export",
        "leaderboard",
        "plan",
        "pretrain",
        "score",
        "submit",
    ]
    words = [rng.choice(verbs)]
    command = command_line.get_command(None, words[0])  # type: ignore[arg-type]
    while isinstance(command, click.Group):
        names = [n for n in command.list_commands(None) if n not in ("serve", "clear", "synthesize", "rerun")]  # type: ignore[arg-type]
        words.append(rng.choice(names))
        command = command.get_command(None, words[-1])  # type: ignore[arg-type]
    assert command is not None
    here = ground.scratch()
    for parameter in command.params:
        value = str(
            rng.choice((rng.choice(ODD), ground.run, ground.predictions["pa100k"], ground.archive, here / "new"))
        )
        if isinstance(parameter, click.Argument):
            words += [value] * (parameter.required or rng.random() < 0.5)
        elif rng.random() < 0.2 and "help" not in parameter.name:
            words += [parameter.opts[0]] + ([] if getattr(parameter, "is_flag", False) else [value])
    if words[0] in ("eval", "pretrain"):
        words.append("--dry-run")
    if "--push" in words or "--cluster" in words:
        words = words[: words.index("--push" if "--push" in words else "--cluster")]
    before = Path.cwd()
    os.chdir(here)
    try:
        return ran(*words)
    finally:
        os.chdir(before)


def predictions(ground: Ground, rng: random.Random) -> str:
    """`score` on damaged predictions."""
    name = rng.choice(list(ground.predictions))
    source, here = ground.predictions[name], ground.scratch()
    target = here / source.name
    if source.is_dir():
        shutil.copytree(source, target)
        inner = rng.choice(sorted(p for p in target.rglob("*") if p.is_file()))
        inner.write_bytes(damaged(inner.read_bytes(), rng))
    elif source.suffix == ".json" and rng.random() < 0.6:
        target.write_text(json.dumps(replaced(json.loads(source.read_bytes()), rng)[0]))
    else:
        target.write_bytes(damaged(source.read_bytes(), rng))
    return ran("score", name, "--predictions", target, "--data-root", ground.data)


def results(ground: Ground, rng: random.Random) -> str:
    """`export`, `compare` and `leaderboard build` on damaged results."""
    here = ground.scratch()
    shutil.copytree(ground.run / "results", here / "run" / "results")
    (path,) = (here / "run" / "results").iterdir()
    if rng.random() < 0.7:
        path.write_text(json.dumps(replaced(json.loads(path.read_bytes()), rng)[0]))
    else:
        path.write_bytes(damaged(path.read_bytes(), rng))
    verb = rng.choice((["export"], ["compare", str(ground.run)], ["leaderboard", "build", "--out", str(here / "site")]))
    if verb[0] == "leaderboard":
        return ran(*verb, here / "run", "--submissions", here / "none")
    return ran(
        *verb, here / "run", *(["--format", "csv"] if verb[0] == "export" else ["--data-root", str(ground.data)])
    )


def submissions(ground: Ground, rng: random.Random) -> str:
    """`leaderboard check` of submissions whose results, records or archives were tampered with, hashes made to fit."""
    from humanbench.leaderboard.submissions.rescore import check_submission
    from tests.leaderboard.honest import renewed

    here = ground.scratch()
    if rng.random() < 0.3:
        target = here / "s.zip"
        target.write_bytes(damaged(ground.archive.read_bytes(), rng))
        return "well" if check_submission(target, ground.data).ok else "sentence"
    target = here / "s"
    shutil.copytree(ground.submission, target)
    files = sorted(p for p in target.rglob("*.json") if p.name != "manifest.json")
    path = rng.choice(files)
    document, where = replaced(json.loads(path.read_bytes()), rng)
    unchanged = document == json.loads(path.read_bytes())
    path.write_text(json.dumps(document))
    renewed(target)
    report = check_submission(target, ground.data)
    if not report.ok:
        return "sentence"
    harmless = (
        unchanged or path.name == "environment.json" or path.parent.name != "results" or bool(HARMLESS & set(where))
    )
    return "well" if harmless or not where else "accepted"


def checkpoints(ground: Ground, rng: random.Random) -> str:
    """`load_backbone` of damaged and odd checkpoint files."""
    import torch

    from humanbench.backbones import load_backbone

    here = ground.scratch()
    if rng.random() < 0.5:
        source = rng.choice(ground.checkpoints)
        target = here / source.name
        target.write_bytes(damaged(source.read_bytes(), rng))
    else:
        state = dict(ground.state)
        name = rng.choice(list(state))
        value = state[name]
        changes: list[Callable[[], Any]] = [
            lambda: torch.tensor(1.0),
            lambda: torch.zeros(0),
            lambda: value[..., :0],
            lambda: value.to(torch.int64),
            lambda: value.to(torch.bool),
            lambda: value.to(torch.complex64),
            lambda: value * float("nan"),
            lambda: value.to_sparse(),
            lambda: value.to("meta"),
            lambda: torch.quantize_per_tensor(value.flatten().float(), 0.1, 0, torch.qint8),
            lambda: value.unsqueeze(0),
            lambda: value.expand(2, *value.shape).clone(),
            lambda: None,
            lambda: "text",
        ]
        state[name] = rng.choice(changes)()
        if rng.random() < 0.3:
            other = rng.choice(list(state))
            odd = rng.choice(
                (f"blocks.{'9' * 30}.attn.qkv.weight", "blocks.x.norm1.weight", "blocks.-1.norm1.weight", "", ".")
            )
            state[odd] = state.pop(other)
        target = here / "x.pth"
        torch.save(state, target)
    return called(lambda: load_backbone("vit", target, num_heads=4))


def verified(ground: Ground, rng: random.Random) -> str:
    """`datasets verify` of a copy with one damaged annotation file: cut in half it must not pass."""
    from humanbench.cards import load_card
    from humanbench.data.verify import verify

    path = rng.choice(ground.annotations)
    name = path.relative_to(ground.data).parts[0]
    content, halved = path.read_bytes(), rng.random() < 0.5
    path.write_bytes(content[: len(content) // 2] if halved else damaged(content, rng))
    try:
        try:
            rows = verify(load_card(name), ground.data, every=1000).rows
            said = any(
                row.status == "fail" and row.check == "structure" for row in rows
            )  # counts of small copies differ
        except HumanbenchError:
            said = True
        if said:
            return "sentence"
        return "accepted" if halved and path.suffix in (".json", ".mat", ".pkl") else "well"
    finally:
        path.write_bytes(content)


def tables(ground: Ground, rng: random.Random) -> str:
    """`--subset` files, cards of backbones and recipes' overrides."""
    here = ground.scratch()
    kind = rng.randrange(3)
    if kind == 0:
        subset = here / rng.choice(("s.csv", "s.txt", "s.toml", "s.json"))
        subset.write_bytes(
            damaged(b"id\n00001.jpg\n00002.jpg\n" if subset.suffix != ".toml" else b"test = ['a']\n", rng)
        )
        return ran(
            "score",
            "pa100k",
            "--predictions",
            ground.predictions["pa100k"],
            "--data-root",
            ground.data,
            "--subset",
            subset,
        )
    if kind == 1:
        from humanbench.paths import shipped

        source = rng.choice(sorted((shipped("baselines") / "backbones").glob("*.toml")))
        card = here / "card.toml"
        lines = source.read_text().splitlines()
        at = rng.randrange(len(lines))
        key = lines[at].partition("=")[0]
        lines[at] = f"{key}= {rng.choice(VALUES)}"
        card.write_text("\n".join(lines))
        return ran("eval", "--backbone", card, "--dry-run", "--datasets", "pa100k", "--protocol", "head")
    key = rng.choice(
        ("optim.lr", "train.batch_size", "train.epochs", "input.size", "schedule.name", "optim.name", "loss.x", "x")
    )
    setting = f"{key}={rng.choice(ODD)}"
    return ran(
        "eval", "--backbone", "mini_random", "--dry-run", "--datasets", "pa100k", "--protocol", "head", "--set", setting
    )


def logs(ground: Ground, rng: random.Random) -> str:
    """Stores whose log or files were changed behind the board's back."""
    from humanbench.leaderboard.submissions.store import load_store

    here = ground.scratch() / "store"
    shutil.copytree(ground.store, here)
    files = sorted(p for p in here.rglob("*") if p.is_file() and p.name != ".lock")
    path = here / "log.jsonl" if rng.random() < 0.5 else rng.choice(files)
    content = path.read_bytes()
    changed = damaged(content, rng)
    path.write_bytes(changed)
    outcome = called(lambda: load_store(here))
    torn = path.name == "log.jsonl" and (content.startswith(changed) or changed.startswith(content))
    return "accepted" if outcome == "well" and changed != content and not torn else outcome


def killed(ground: Ground, number: int, seed: int) -> Counter[str]:
    """Accept, withdraw and submit ended at call after call; `lost`: where the next command was stuck."""
    from humanbench import files
    from humanbench.leaderboard.submissions.bundle import write_submission
    from humanbench.leaderboard.submissions.rescore import SubmissionReport, check_folder
    from humanbench.leaderboard.submissions.store import add, load_store, verify_store, withdraw
    from tools.kills import killed_at

    def work(kind: str, here: Path) -> object:
        if kind == "accept":
            return add(ground.submission, report, here / "store")
        if kind == "withdraw":
            return withdraw(one.id, "why not", here / "store")
        return write_submission(ground.submission, here / "s")

    report = SubmissionReport("")
    check_folder(ground.submission, report, ground.place / "none")
    (one,) = load_store(ground.store)
    counts: Counter[str] = Counter()
    rng = random.Random(seed)
    for _ in range(number):
        here = ground.scratch()
        files._SWEPT.clear()
        kind, point = rng.choice(("accept", "withdraw", "submit")), rng.randint(1, 80)
        if kind == "withdraw":
            shutil.copytree(ground.store, here / "store")
        ended = killed_at(point, partial(work, kind, here), here)
        counts["killed" if ended else "ended before"] += 1
        try:
            if kind == "submit":
                (here / "s").exists() or work(kind, here)
            else:
                there = load_store(here / "store")
                if not there or (kind == "withdraw" and not there[0].withdrawn):
                    work(kind, here)
                if verify_store(here / "store"):
                    raise RuntimeError("the store is not whole")
        except Exception as error:
            counts["lost"] += 1
            print(f"lost: {kind} killed at {point}: {error!r}", file=sys.stderr)
    return counts


def families(ground: Ground) -> list[Family]:
    """All of them, with their share of the inputs."""
    listed = {
        "options": (options, 20),
        "predictions": (predictions, 20),
        "results": (results, 15),
        "submissions": (submissions, 20),
        "checkpoints": (checkpoints, 12),
        "verify": (verified, 5),
        "tables": (tables, 5),
        "stores": (logs, 3),
    }
    return [Family(n, share, lambda rng, work=work: work(ground, rng)) for n, (work, share) in listed.items()]  # type: ignore[misc]


def fuzz(place: Path, inputs: int, seed: int, only: tuple[str, ...] = ()) -> tuple[list[Family], Ground]:
    """Try so many inputs; what became of them."""
    from humanbench.leaderboard.submissions.store import accept

    ground = Ground(place)
    ground.store = place / "store"
    accept(ground.archive, ground.store, ground.data)
    chosen = [family for family in families(ground) if not only or family.name in only]
    total = sum(family.share for family in chosen)
    for family in chosen:
        for number in range(max(1, inputs * family.share // total)):
            rng = random.Random(f"{seed} {family.name} {number}")
            try:
                with limited(PATIENCE):
                    outcome = family.one(rng)
            except TookTooLong:
                outcome = "hang"
            except Exception as error:
                outcome = "traceback"
                family.worst.append(f"{family.name} {number}: {type(error).__name__}: {str(error)[:200]}")
            if outcome in ("hang", "accepted"):
                family.worst.append(f"{family.name} {number}: {outcome}")
            family.counts[outcome] += 1
        print(f"{family.name}: {dict(family.counts)}", *family.worst, sep="\n  ", file=sys.stderr, flush=True)
    return chosen, ground


def table(chosen: list[Family]) -> str:
    """The counts as Markdown."""
    rows = [
        "| inputs | tried | harmless | one sentence | traceback | hang | wrongly accepted |",
        "| --- " + "| ---: " * 6 + "|",
    ]
    for family in chosen:
        cells = [family.name, str(family.counts.total()), *(str(family.counts[name]) for name in OUTCOMES)]
        rows.append(f"| {' | '.join(cells)} |")
    every = sum((family.counts for family in chosen), Counter[str]())
    rows.append(f"| all | {every.total()} | {' | '.join(str(every[name]) for name in OUTCOMES)} |")
    return "\n".join(rows)


def main() -> None:
    """Try, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", metavar="FAMILY")
    parser.add_argument("--inputs", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="humanbench-fuzz-") as name:
        os.environ["HUMANBENCH_CACHE"] = str(Path(name) / "cache")
        chosen, ground = fuzz(Path(name), given.inputs, given.seed, tuple(given.only))
        kills = killed(ground, given.kills, given.seed) if given.kills else Counter[str]()
    print(table(chosen))
    print(f"\nkills: {kills.total() - kills['lost']} ({kills['killed']} before the end), lost: {kills['lost']}")
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    wrong = sum(family.counts[name] for family in chosen for name in ("traceback", "hang", "accepted")) + kills["lost"]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
