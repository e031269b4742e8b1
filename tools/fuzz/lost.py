"""Accept, withdraw and submit, killed at one system call after another: the next command must not be stuck."""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from tools.fuzz.ground import Ground


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
