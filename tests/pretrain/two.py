"""Two processes of the tiny pretraining: `python -m torch.distributed.run … tests/pretrain/two.py ROOT OUT METHOD…`.

Each method leaves OUT/METHOD.pt.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from humanbench.pretrain.loop import Process
from tests.pretrain.small import kind


def main(root: Path, out: Path, methods: list[str]) -> None:
    torch.distributed.init_process_group("gloo")
    process = Process(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    for method in methods:
        made = kind(method, root, out / f"{method}-checkpoint.pt", process)
        made.run()
        if process.rank == 0:
            state = {"network": made.network.state_dict(), "moments": made.moments(), "microbatches": made.microbatches}
            torch.save(state, out / f"{method}.pt")
        torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
