"""`humanbench` with the toy backbone in place of any other: `python -m tests.engine.toy_cli ARGS`.

`TOY_STALL=cell:epochs` makes the fit of that cell (the start of its name) wait after so many epochs are saved, so that
a test can interrupt it at a known point; the file `stalled` in the run folder says that it waits. Several commands run
one after the other with `--then` between them, whatever their exit codes; the last one's counts.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import humanbench.backbones
import humanbench.backbones.spec
from humanbench.backbones.spec import Outline
from humanbench.cli import main
from humanbench.engine import fit
from tests.engine.toy import toy_backbone


def stall(cell: str, epochs: int) -> None:
    """Wait once the checkpoint of that many epochs is written."""
    save = fit.save_checkpoint

    def save_and_wait(path: Path, identity: str, state: dict[str, Any]) -> None:
        save(path, identity, state)
        if path.name.startswith(cell) and state["progress"]["epoch"] == epochs:
            (path.parents[1] / "stalled").touch()
            time.sleep(120)

    fit.save_checkpoint = save_and_wait


if __name__ == "__main__":
    humanbench.backbones.load_backbone = lambda name, checkpoint=None, **architecture: toy_backbone()
    humanbench.backbones.spec.outline = lambda name, checkpoint: Outline("toy", None)
    if "TOY_STALL" in os.environ:
        name, _, count = os.environ["TOY_STALL"].partition(":")
        stall(name, int(count))
    *before, last = [list(words) for then, words in groupby(sys.argv[1:], "--then".__eq__) if not then]
    for words in before:
        with suppress(SystemExit):
            main(words)
    main(last)
