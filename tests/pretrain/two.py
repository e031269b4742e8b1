"""Two processes of the tiny pretraining: `python -m torch.distributed.run … tests/pretrain/two.py METHOD ROOT OUT`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from humanbench.pretrain.loop import Process
from tests.pretrain.small import recipe, work


def main(method: str, root: Path, out: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    process = Process(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    made = work(recipe(method), root, out / "checkpoint.pt", process)
    made.run()
    if process.rank == 0:
        state = {"network": made.network.state_dict(), "moments": made.moments(), "microbatches": made.microbatches}
        torch.save(state, out / "two.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
