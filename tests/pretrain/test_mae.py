"""Masked autoencoding against outputs of the released encoder, and against its definition."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from humanbench import load_backbone
from humanbench.backbones.grouped_forward.vit import resize_positions
from humanbench.pretrain.mae import MaskedDecoder, choose, encode, patches, taken
from humanbench.pretrain.recipe import Masking
from humanbench.pretrain.trunk import embed
from tests.pretrain.small import start
from tests.samples import PARITY, needs_parity

MASKING = Masking(ratio=0.75, dim=16, depth=1, heads=2, norm_pixels=True)


@needs_parity
@torch.no_grad()
def test_encoder_like_the_released_one() -> None:
    io, file = load_file(PARITY / "mae_tiny_io.safetensors"), PARITY / "mae_tiny_weights.safetensors"
    trunk = load_backbone("vit", file, patch_size=16, img_size=64, embed_dim=64, depth=3, num_heads=4).trunk
    tokens, _ = embed(trunk, io["image_normalized"])
    assert float((encode(trunk, tokens) - io["norm"]).abs().max()) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("options", [{"pre_norm": True}, {}])
def test_encoder_is_the_network_that_is_evaluated(options: dict[str, bool]) -> None:
    """With all patches visible it gives the network's own tokens, a norm before the blocks included."""
    trunk = load_backbone("vit", patch_size=16, img_size=64, embed_dim=64, depth=2, num_heads=4, **options).trunk
    if options:
        trunk.norm_pre.weight.mul_(3)
    images = torch.randn(2, 3, 64, 64)
    assert torch.allclose(encode(trunk, embed(trunk, images)[0]), trunk.forward_features(images), atol=1e-5)


@torch.no_grad()
def test_positions_of_patches_alone() -> None:
    """A class token without a position (DeiT-III) has none of the first patch's either."""
    trunk = load_backbone("random:deit3_small_patch16_224").trunk
    trunk.pos_embed.normal_()
    images = torch.randn(1, 3, 224, 224)
    assert torch.allclose(encode(trunk, embed(trunk, images)[0]), trunk.forward_features(images), atol=1e-4)


@needs_parity
def test_names_of_the_released_decoder() -> None:
    tensors = load_file(PARITY / "mae_tiny_weights.safetensors")
    trunk = load_backbone("vit", patch_size=16, img_size=64, embed_dim=64, depth=3, num_heads=4).trunk
    decoder = MaskedDecoder(trunk, Masking(ratio=0.75, dim=32, depth=1, heads=4, norm_pixels=True))
    weights = {k: v for k, v in tensors.items() if k.startswith(("decoder_", "mask_token"))}
    positions = weights.pop("decoder_pos_embed")
    decoder.load_state_dict(weights, strict=True)
    positions_of_decoder = torch.cat([torch.zeros(1, 1, 32), decoder.positions.flatten(1, 2)], dim=1)
    assert float((positions_of_decoder - positions).abs().max()) < 1e-6


def test_patches_are_rows_of_pixels() -> None:
    """Patch (1, 0) of a picture whose red is 10 y + x, two pixels a side: rows 2 and 3, columns 0 and 1."""
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    picture = torch.stack([10 * y + x, torch.zeros(4, 4), -x])[None]
    cut = patches(picture, 2)
    assert cut.shape == (1, 4, 12)
    assert cut[0, 2].tolist() == [20, 0, 0, 21, 0, -1, 30, 0, 0, 31, 0, -1]


@pytest.mark.parametrize(("length", "ratio", "left"), [(16, 0.75, 4), (19, 0.75, 4), (3, 0.9, 1), (2, 0.0, 1)])
def test_what_is_hidden(length: int, ratio: float, left: int) -> None:
    """Of 19 patches a quarter is 4.75: what stays is rounded down, as in MAE."""
    torch.manual_seed(0)
    visible, back, hidden = choose(5, length, ratio, torch.device("cpu"))
    assert visible.shape == (5, left)
    assert hidden.sum(1).tolist() == [length - left] * 5
    tokens = torch.randn(5, length, 3)
    whole = torch.cat([taken(tokens, visible), torch.full((5, length - left, 3), torch.nan)], dim=1)
    restored = taken(whole, back)
    assert torch.equal(restored[hidden == 0], tokens[hidden == 0])
    assert restored[hidden == 1].isnan().all()


def test_loss_is_the_mean_over_hidden_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = start(class_token=True).trunk
    decoder = MaskedDecoder(trunk, MASKING)
    images = torch.randn(2, 3, 64, 80)
    target = patches(images, 16)
    target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    seen: list[Tensor] = []

    def decode(encoded: Tensor, back: Tensor, grid: tuple[int, int]) -> Tensor:
        assert grid == (4, 5)
        assert encoded.shape == (2, 1 + 5, 16)
        hidden = back >= 5
        seen.append(hidden)
        wrong = torch.zeros_like(target)
        wrong[~hidden] = 100.0  # visible patches do not count
        wrong[0][hidden[0]] = 2.0
        return target + wrong

    monkeypatch.setattr(decoder, "decode", decode)
    loss = float(decoder(trunk, images))
    assert seen[0].sum(1).tolist() == [15, 15]
    assert loss == pytest.approx(2.0)  # an error of 2, squared, over one of the two pictures


def test_pixels_are_normalised_by_the_variance_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every patch holds the 12 numbers 0 .. 11 and 0 is predicted.

    The sum of squared deviations S = 143 over 11 is the variance, so the squares of the target sum to 11, and their
    mean is 11 / 12; with the variance over 12 it would be 1.
    """
    trunk = load_backbone("vit", class_token=True, embed_dim=16, depth=1, num_heads=2, patch_size=2, img_size=4).trunk
    decoder = MaskedDecoder(trunk, MASKING)
    patch = torch.arange(12.0).reshape(2, 2, 3).permute(2, 0, 1)
    monkeypatch.setattr(decoder, "decode", lambda *given: torch.zeros(1, 4, 12))
    assert float(decoder(trunk, patch.repeat(1, 2, 2)[None])) == pytest.approx(11 / 12, rel=1e-5)


@torch.no_grad()
def test_the_decoder_puts_every_token_at_its_place() -> None:
    """Without blocks a prediction is that of the token plus its position: of places 0 .. 3, 2 and 0 are visible."""
    decoder = MaskedDecoder(start(class_token=True).trunk, MASKING)
    decoder.decoder_blocks = nn.ModuleList()
    encoded = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(0))  # class token, place 2, place 0
    back = torch.tensor([[2, 0, 3, 1]]).argsort(dim=1)
    decoded = decoder.decode(encoded, back, (2, 2))
    _, second, first = decoder.decoder_embed(encoded)[0]
    mask = decoder.mask_token[0, 0]
    tokens = torch.stack([first, mask, second, mask])
    places = resize_positions(decoder.positions, (2, 2)).reshape(4, 16)
    expected = decoder.decoder_pred(decoder.decoder_norm(tokens + places))
    assert torch.allclose(decoded[0], expected, atol=1e-6)
    assert not torch.allclose(expected[1], expected[3], atol=1e-3)


def test_pictures_of_any_size_and_gradients_everywhere() -> None:
    trunk = start(class_token=True).trunk
    decoder = MaskedDecoder(trunk, MASKING)
    for size in ((64, 64), (80, 48), (100, 66)):
        decoder(trunk, torch.randn(2, 3, *size)).backward()
    missing = [name for name, p in [*decoder.named_parameters(), *trunk.named_parameters()] if p.grad is None]
    assert missing == []
