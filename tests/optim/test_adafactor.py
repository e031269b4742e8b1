"""Adafactor against a trace of the released optimiser."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from humanbench.optim.adafactor import Adafactor
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


def moved(*gradients: float, **options: float) -> list[float]:
    """How far each step takes a parameter, without momentum and at rate 1."""
    p = torch.nn.Parameter(torch.zeros(2))
    optimiser = Adafactor([p], lr=1.0, beta1=0.0, **options)
    places = [0.0]
    for gradient in gradients:
        p.grad = torch.full((2,), gradient)
        optimiser.step()
        places.append(float(p.detach()[0]))
    return [before - after for before, after in pairwise(places)]


def test_small_updates_are_not_scaled_up() -> None:
    # Step 2: beta2 = 1 - 2 ** -0.8 = 0.425651, so the mean square is 0.425651 * 1 + 0.574349 * 0.01 = 0.431395 and the
    # update 0.1 / 0.656806 = 0.152252: its RMS is below the threshold of 1, and nothing scales it.
    assert moved(1.0, 0.1) == pytest.approx([1.0, 0.152252], rel=1e-5)


def test_the_second_beta_is_capped() -> None:
    # Capped at 0.2 in step 2: the mean square is 0.2 * 1 + 0.8 * 0.01 = 0.208, the update 0.1 / 0.456070 = 0.219265.
    assert moved(1.0, 0.1, clip_beta2=0.2) == pytest.approx([1.0, 0.219265], rel=1e-5)


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
