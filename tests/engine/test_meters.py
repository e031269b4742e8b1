"""Memory, energy and storage: counted over forwards with counters whose values are known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from humanbench.engine import meters
from humanbench.engine.finetune import Finetune, storage
from humanbench.engine.meters import Meter, bytes_of
from humanbench.regimes import freeze
from humanbench.results import Storage
from tests.engine.toy import toy_backbone

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def packages(folder: Path, **microjoules: int) -> None:
    """Counters as Linux shows them: two packages, a part of the first, and the whole platform."""
    names = {"intel-rapl:0": "package-0", "intel-rapl:1": "package-1", "intel-rapl:0:0": "core", "intel-rapl:2": "psys"}
    for place, name in names.items():
        (folder / place).mkdir(exist_ok=True)
        (folder / place / "name").write_text(f"{name}\n")
        (folder / place / "energy_uj").write_text(f"{microjoules.get(name.replace('-', '_'), 7)}\n")
        (folder / place / "max_energy_range_uj").write_text("1000000\n")


def test_energy_is_that_of_all_packages_over_the_forwards_but_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meters, "POWERCAP", tmp_path)
    states = iter([(100_000, 900_000), (300_000, 950_000), (400_000, 100_000)])

    def forward() -> None:
        one, other = next(states)
        packages(tmp_path, package_0=one, package_1=other)

    meter = Meter(CPU, 5, size=4)
    forwards = meter.metered(forward)
    forwards()
    assert meter.joules_per_image is None, "the first warms up"
    forwards()
    forwards()
    # 0.3 J in one; the other began anew: 100,000 - 900,000 + 1,000,000 = 0.2 J. Over 2 forwards of 4 pictures.
    assert meter.joules_per_image == pytest.approx((0.3 + 0.2) / 8)
    assert meter.peak_memory is None


@pytest.mark.parametrize("broken", ["unreadable", "none", "still", "text"])
def test_without_a_counter_there_is_no_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setattr(meters, "POWERCAP", tmp_path)
    if broken != "none":
        packages(tmp_path, package_0=1)
    if broken == "unreadable":  # root may read whatever the mode says, but no folder as a file
        (tmp_path / "intel-rapl:1/energy_uj").unlink()
        (tmp_path / "intel-rapl:1/energy_uj").mkdir()
    if broken == "text":
        (tmp_path / "intel-rapl:0/energy_uj").write_text("much")
    meter = Meter(CPU, 5, size=1)
    for _ in range(3):
        meter.metered(lambda: None)()
    assert meter.joules_per_image is None


def test_memory_is_that_of_the_network_and_what_the_forwards_take_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1000 bytes that were there, 300 are the network's; warming up took 9000, the forwards 250 at most."""
    allocator = {"now": 1000, "peak": 5000}
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: allocator["now"])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: allocator["peak"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: allocator.update(peak=allocator["now"]))
    taken = iter([9000, 200, 250, 100])

    def forward() -> None:
        allocator["peak"] = max(allocator["peak"], allocator["now"] + next(taken))

    meter = Meter(GPU, 300, size=1)
    forwards = meter.metered(forward)
    forwards()
    assert meter.peak_memory is None
    for _ in range(3):
        forwards()
    assert meter.peak_memory == 300 + 250
    assert meter.joules_per_image is None, "a CPU's counter says nothing of a GPU"


def network(regime: str, **options: object) -> Finetune:
    backbone, head = toy_backbone(), nn.Linear(16, 3)
    head.register_buffer("remembered", torch.zeros(10, dtype=torch.float64), persistent=False)
    return Finetune(backbone, head, freeze(backbone, head, regime, options))


@pytest.fixture(scope="module")
def bare() -> int:
    return bytes_of(toy_backbone())


HEAD = 4 * (16 * 3 + 3) + 8 * 10


def test_storage_is_the_backbone_as_it_came_and_what_is_added(bare: int) -> None:
    assert storage(network("head")) == Storage(backbone=bare, added=HEAD)
    assert storage(network("full")) == Storage(backbone=bare, added=bare + HEAD)
    # 2 numbers of rank 2 for each of qkv 48 x 16, projection 16 x 16 and the two of the mlp 64 x 16, in three blocks
    low_rank = 4 * 2 * 3 * ((48 + 16) + (16 + 16) + (64 + 16) + (16 + 64))
    assert storage(network("lora", lora_rank=2)) == Storage(backbone=bare, added=low_rank + HEAD)
