"""The families of inputs: each function tries one and says how it ended."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from humanbench.cli import main as command_line
from humanbench.errors import HumanbenchError
from tools.fuzz.ground import Ground, called, ran
from tools.fuzz.values import ODD, VALUES, damaged, replaced

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
    "peak_memory",
    "joules_per_image",
    "storage",
    "processes",
    "dataset_fingerprint",
    "cost",
    "info",
    "schema_version",
}
"""Keys of a result that nobody can hold against anything: what they say is shown as the submitter's."""


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
