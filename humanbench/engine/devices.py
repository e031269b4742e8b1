"""One process or many, on which device: what `accelerate` needs to be told, and how ranks agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import torch

from humanbench.errors import HumanbenchError

if TYPE_CHECKING:
    from accelerate import Accelerator

PATIENCE = timedelta(hours=12)
"""How long processes wait for another: the first one may write and score for long while the others are idle."""


Precision = Literal["no", "tf32", "bf16", "fp16"]
"""Of a recipe, `train.amp`."""


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Whether GPUs may compute products of matrices and convolutions of single precision in TF32, within the block.

    torch's own default is to do so in convolutions.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = on
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def accelerator_for(device: str | None, amp: Precision) -> Accelerator:
    """An accelerator for this process, under `accelerate launch`, `torchrun` or alone.

    `device`: None picks a GPU if there is one; else `cpu`, `cuda` or `cuda:N` (see `check_device`).
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState, GradientState, PartialState

    if device is not None and ":" in device:
        torch.cuda.set_device(device)
    if PartialState(cpu=device == "cpu", timeout=PATIENCE).num_processes == 1:
        PartialState._reset_state()  # another device than the cell before
    AcceleratorState._reset_state()
    GradientState._reset_state()
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # heads need not use all features
    return Accelerator(mixed_precision="no" if amp == "tf32" else amp, cpu=device == "cpu", kwargs_handlers=[unused])


def check_device(device: str | None) -> None:
    """Raise `HumanbenchError` for a device that is not `cpu`, `cuda` or `cuda:N`, or not there."""
    if device in (None, "cpu"):
        return
    kind, colon, number = str(device).partition(":")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise HumanbenchError(f"--device {device}: choose cpu, cuda or cuda:N")
    if int(number or 0) >= torch.cuda.device_count():
        raise HumanbenchError(f"--device {device}: this machine has {torch.cuda.device_count()} CUDA devices")


def uses_gpu(device: str | None) -> bool:
    """Whether training runs on a GPU when `device` is asked for (`check_device`)."""
    return device != "cpu" and torch.cuda.is_available()


def check_precision(amp: Precision, device: str | None) -> None:
    """Raise `HumanbenchError` for what a CPU has not: it would compute in float32, and fp16 or TF32 be recorded."""
    if amp in ("fp16", "tf32") and not uses_gpu(device):
        raise HumanbenchError(f"train.amp={amp} needs a GPU; on a CPU train.amp can be bf16 or no")


def check_compiler() -> None:
    """Raise `HumanbenchError` where networks cannot be compiled."""
    import shutil

    if not any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "clang++", "g++")):
        raise HumanbenchError("--compile needs a C++ compiler (g++ or clang++), and none is found here")


@dataclass(frozen=True)
class Rank:
    """Which process this is, of how many."""

    rank: int = 0
    processes: int = 1


def rank_of(accelerator: Accelerator) -> Rank:
    """This process among all."""
    return Rank(accelerator.process_index, accelerator.num_processes)


def is_main_process() -> bool:
    """Whether this is the process that writes, of those that `accelerate launch` or `torchrun` started."""
    return int(os.environ.get("RANK", "0")) == 0


def gathered(accelerator: Accelerator, value: Any) -> list[Any]:
    """The value of every process, in the order of ranks, on every process."""
    if accelerator.num_processes == 1:
        return [value]
    values: list[Any] = [None] * accelerator.num_processes
    torch.distributed.all_gather_object(values, value)
    return values


def gathered_at_first(accelerator: Accelerator, value: Any) -> list[Any]:
    """The value of every process on the first, an empty list on the others."""
    if accelerator.num_processes == 1:
        return [value]
    values: list[Any] | None = [None] * accelerator.num_processes if accelerator.is_main_process else None
    torch.distributed.gather_object(value, values, dst=0)
    return values or []


def is_peer_failure(error: Exception) -> bool:
    """Whether an error says that another process is gone, whose own error is the cause."""
    text = str(error)
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError)
        and any(word in text for word in ("gloo/transport", "Connection closed by peer"))
    )


def device_name(accelerator: Accelerator) -> str:
    """The device in words: the GPU's name, or the CPU with its number of threads."""
    if accelerator.device.type == "cuda":
        return torch.cuda.get_device_name(accelerator.device)
    return f"{accelerator.device.type} ({torch.get_num_threads()} threads)"


def reading_processes(given: int | None, gpu: bool, sharing: int = 1) -> int:
    """Processes that read images for each of `sharing` training processes on this machine.

    Beside a GPU its share of the cores, up to 8; on the CPU none, because training needs the cores itself.
    """
    if given is not None:
        return given
    return min(8, max(1, (os.cpu_count() or 1) // sharing)) if gpu else 0
