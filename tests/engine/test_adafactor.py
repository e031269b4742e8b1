"""Adafactor against a trace of the released optimiser."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from humanbench.engine.adafactor import Adafactor
from tests.samples import SAMPLES

TRACE = SAMPLES.parent / "parity" / "adafactor_trace.safetensors"


@pytest.mark.skipif(not TRACE.is_file(), reason=f"no trace of the released optimiser at {TRACE}")
def test_five_steps_equal_the_released_optimiser() -> None:
    trace = load_file(TRACE)
    names = {"w": 0.05, "b": 0.0, "c": 0.05}
    params = {n: torch.nn.Parameter(trace[f"{n}0"].clone()) for n in names}
    optimiser = Adafactor(
        [{"params": [params[n]], "weight_decay": decay} for n, decay in names.items()], lr=1e-2, clip_threshold=0.5
    )
    for step in range(1, 6):
        for n in names:
            params[n].grad = trace[f"g{n}{step}"]
        optimiser.step()
        for n in names:
            assert torch.allclose(params[n], trace[f"{n}{step}"], rtol=0, atol=1e-6), (n, step)


def test_a_first_step_of_a_vector_by_hand() -> None:
    # beta2 is 1 - 1 ** -0.8 = 0: the mean square is g^2, so the update is sign(g) with RMS 1; with threshold 0.5 it is
    # halved; momentum takes a tenth: p = 1 - 0.1 * 0.1 * 0.5 * sign(g).
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.tensor([3.0, -2.0, 0.5])
    Adafactor([p], lr=0.1, clip_threshold=0.5).step()
    assert torch.allclose(p, torch.tensor([0.995, 1.005, 0.995]))


def test_state_survives_saving(tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = torch.randn(4, 3)
    grads = [torch.randn(4, 3) for _ in range(4)]

    def run(break_after: int) -> torch.Tensor:
        p = torch.nn.Parameter(start.clone())
        optimiser = Adafactor([p], lr=0.1)
        for i, grad in enumerate(grads):
            if i == break_after:
                torch.save(optimiser.state_dict(), tmp_path / "state.pt")
                optimiser = Adafactor([p], lr=0.1)
                optimiser.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
            p.grad = grad
            optimiser.step()
        return p.detach()

    assert torch.equal(run(break_after=2), run(break_after=-1))
