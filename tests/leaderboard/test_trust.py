"""What a stranger's entry names is not fetched unasked, and nothing of this machine is ever read or called for it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from humanbench.backbones import load_backbone
from humanbench.backbones.arguments import STRUCTURE
from humanbench.backbones.backbone import Backbone
from humanbench.backbones.cards import backbone_cards
from humanbench.backbones.config_files import HEADER
from humanbench.backbones.record import from_record, record_of
from humanbench.engine.prepared import architecture_sha256
from humanbench.errors import BackboneError, HumanbenchError
from humanbench.leaderboard.model.entries import BoardEntry, entries_of
from humanbench.leaderboard.site.pages.words import linked
from humanbench.leaderboard.site.writing import build_site
from humanbench.leaderboard.submissions.bundle import with_later_card
from humanbench.leaderboard.submissions.manifest import BackboneRecord
from humanbench.leaderboard.submissions.rerun import rerun, strange_places
from tests.leaderboard.made import made_result

PIXELS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}


def entry(backbone: str, checkpoint: str | None = None, **record: Any) -> BoardEntry:
    (one,) = entries_of([made_result("pa100k", backbone, checkpoint=checkpoint)], lambda _: (), submission="s")
    return replace(one, record={"name": backbone, **record} if record else None)


def network(**architecture: Any) -> dict[str, Any]:
    return {"network": {"architecture": architecture, "preprocessing": PIXELS, "load": None}}


@pytest.mark.parametrize(
    ("of", "places"),
    [
        (entry("mae_vitb"), []),
        (entry("resnet18"), []),
        (entry("timm:resnet18"), []),
        (entry("hf-hub:evil/net"), ["hf-hub:evil/net"]),
        (entry("vit", "hf-hub:evil/net:w.bin"), ["hf-hub:evil/net:w.bin"]),
        (entry("x", card={"id": "x", "weights": [{"url": "http://e/w.pth"}]}, **network(timm="resnet18")), ["http://e/w.pth"]),
        (entry("x", card={"id": "x", "weights": [{"hub": "e/x"}]}, **network(timm="resnet18")), ["hf-hub:e/x"]),
        (entry("mae_vitb", card={"id": "mae_vitb", "weights": [{"url": "u"}]}, **network(timm="resnet18")), []),
    ],
)  # fmt: skip
def test_what_an_entry_would_have_fetched_is_named_and_asked_for(
    of: BoardEntry, places: list[str], tmp_path: Path
) -> None:
    assert strange_places(of) == places
    if places:
        with pytest.raises(HumanbenchError, match=f"names {places[0]}.*--trust"):
            rerun(of, tmp_path / "run")
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("backbone", "checkpoint"),
    [
        ("/etc/card.toml", None), ("local-dir:/etc", None), ("../x/w.pth", None), ("mae_vitb", "/etc/w.pth"),
        ("vit", "~/w.pth"), ("random:/etc/x.toml", None), (".", None),
    ],
)  # fmt: skip
def test_paths_in_an_entry_are_never_read(backbone: str, checkpoint: str | None, tmp_path: Path) -> None:
    of = entry(backbone, checkpoint)
    with pytest.raises(HumanbenchError, match="would be a file or folder of this machine and is not read"):
        rerun(of, tmp_path / "run", trust=True)


SMALL = {"embed_dim": 16, "depth": 1, "num_heads": 2, "patch_size": 16, "img_size": 32}
CARD = """
id = "ours"
name = "Our Net"
architecture.timm = "vit_tiny_patch16_224"
architecture.arguments = { embed_dim = 16, depth = 1, num_heads = 2, img_size = 32 }
weights = [{ file = "ours.safetensors" }]
pretrained_on = ["pa100k"]
licence = "MIT"
paper = { title = "Ours", year = 2026, venue = "A workshop", url = "https://example.org/ours" }
"""


def submitted(backbone: Backbone, checkpoint: str | None = None) -> BoardEntry:
    """The accepted entry of a run of this backbone."""
    record = BackboneRecord.model_validate(record_of(backbone, checkpoint, backbone.pretrained_on))
    result = made_result("pa100k", backbone.name, checkpoint=checkpoint)
    cell = result.cell.model_copy(
        update={"weights_sha256": backbone.weights_sha256, "architecture": architecture_sha256(backbone)}
    )
    (one,) = entries_of([result.model_copy(update={"cell": cell})], lambda _: (), submission="s", submitter="Ada L.")
    return replace(one, record=record.model_dump(mode="json"))


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[Backbone]:
    """What would be finetuned, which is not done."""
    asked: list[Backbone] = []
    monkeypatch.setattr(
        "humanbench.evaluation.evaluate", lambda backbone, *args, **kwargs: asked.append(backbone) or []
    )
    return asked


@pytest.mark.parametrize("name", ["vit", "random:vit_tiny_patch16_224"])
def test_random_weights_and_given_arguments_are_made_again(
    name: str, evaluated: list[Backbone], tmp_path: Path
) -> None:
    given = load_backbone(name, mean="half", **(SMALL if name == "vit" else {**SMALL, "patch_size": 8}))
    rerun(submitted(given), tmp_path / "run")
    (again,) = evaluated
    assert again.weights_sha256 == given.weights_sha256
    assert architecture_sha256(again) == architecture_sha256(given)
    assert again.preprocessing.mean == (0.5, 0.5, 0.5)


def test_an_own_card_names_the_row_and_is_run_again(evaluated: list[Backbone], tmp_path: Path) -> None:
    trunk = load_backbone("random:vit_tiny_patch16_224", **{k: v for k, v in SMALL.items() if k != "patch_size"}).trunk
    save_file({n: t.contiguous() for n, t in trunk.state_dict().items()}, tmp_path / "ours.safetensors")
    (tmp_path / "card.toml").write_text(CARD)
    of = submitted(load_backbone(str(tmp_path / "card.toml")))
    assert (of.backbone, of.name) == ("ours", "Our Net by Ada L.")
    with pytest.raises(HumanbenchError, match="give --checkpoint FILE"):
        rerun(of, tmp_path / "run")  # a file beside a card that is not here
    rerun(of, tmp_path / "run", tmp_path / "ours.safetensors")
    assert evaluated[0].weights_sha256 == of.weights_sha256


def test_what_an_own_card_says_is_on_the_page_of_its_entry(tmp_path: Path) -> None:
    card = tomllib.loads(CARD) | {"weights": [{"hub": "ours/net"}, {"url": "https://example.org/w.pth"}]}
    of = replace(entry("ours"), record={"name": "ours", "card": card})
    (page,) = (build_site(tmp_path / "site", [of], []).folder / "entries").glob("*.html")
    text = page.read_text()
    for words in (
        "<h1>Our Net by its submitter",
        '<a href="https://example.org/ours" rel="nofollow noopener">Ours (A workshop, 2026)</a>',
        "<dd>MIT</dd>",
        '<a href="https://huggingface.co/ours/net" rel="nofollow noopener">',
        '<a href="https://example.org/w.pth" rel="nofollow noopener">',
        "humanbench leaderboard rerun",
    ):
        assert words in text
    for url in ("javascript:alert(1)", "https://", "http://[", "//e", "https://e/\n"):
        assert "<a" not in linked("Ours", url)
    assert "&#34;" in linked("Ours", 'https://e/"><script>')


def test_a_later_card_is_of_the_run_s_network_and_of_no_weights_that_have_a_card(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(CARD)
    arguments = {name: value for name, value in SMALL.items() if name != "patch_size"}
    record = BackboneRecord.model_validate(
        record_of(load_backbone("random:vit_tiny_patch16_224", **arguments), None, ())
    )
    assert with_later_card(record, str(path)).name == "ours"
    path.write_text(CARD.replace("vit_tiny", "vit_small"))
    with pytest.raises(
        HumanbenchError, match="of the network vit_small_patch16_224, the run is of vit_tiny_patch16_224"
    ):
        with_later_card(record, str(path))
    known = next(card for card in backbone_cards().values() if card.tensors_sha256)
    path.write_text(CARD)
    with pytest.raises(HumanbenchError, match=f"are those of {known.id}, which has a card already"):
        with_later_card(record.model_copy(update={"weights_sha256": known.tensors_sha256[0]}), str(path))


def test_an_own_card_does_not_take_the_name_of_one_that_is_installed() -> None:
    known = backbone_cards()["mae_vitb"].name
    card = tomllib.loads(CARD) | {"name": f" {known.upper()} "}
    assert replace(entry("ours"), record={"card": card}).name == "ours by its submitter"
    assert replace(entry("ours"), record={"card": {"id": "ours"}}).name == "ours by its submitter"


def test_a_builder_that_a_record_or_a_file_names_is_not_called(tmp_path: Path) -> None:
    bomb = {"builder": "os:mkdir", "arguments": {"path": str(tmp_path / "pwned")}}
    with pytest.raises(BackboneError, match="names the builder 'os:mkdir', which no installed card has"):
        from_record({"name": "x", **network(**bomb)})
    words = {HEADER: __import__("json").dumps({"architecture": bomb, **PIXELS})}
    save_file({"patch_embed.proj.weight": torch.zeros(8, 3, 4, 4)}, tmp_path / "x.safetensors", words)
    with pytest.raises(BackboneError, match="names the builder 'os:mkdir'"):
        load_backbone(str(tmp_path / "x.safetensors"))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("checkpoint_path", "/etc/passwd", "only what does is passed on"),
        ("pretrained_cfg", {"url": "http://e/x"}, "only what does is passed on"),
        ("features_only", True, "only what does is passed on"),
        ("depth", 10**30, "no network has that"),
        ("depth", 100_000, "no network has that"),
        ("img_size", 0, "no network has that"),
        ("img_size", [0, 0], "no network has that"),
        ("embed_dim", -1, "no network has that"),
        ("mlp_ratio", float("nan"), "no network has that"),
        ("act_layer", {"x": 1}, "no network has that"),
        ("num_heads", 7, "timm cannot build"),
    ],
)  # fmt: skip
def test_arguments_reach_timm_by_a_list(key: str, value: Any, said: str) -> None:
    with pytest.raises(BackboneError, match=said):
        load_backbone("random:vit_tiny_patch16_224", **{key: value})


@pytest.mark.parametrize("name", ["hf-hub:evil/net", "local-dir:/etc"])
def test_addresses_in_an_architecture_are_no_networks_of_timm(name: str) -> None:
    with pytest.raises(BackboneError, match="timm has no network called"):
        from_record({"name": "x", **network(timm=name)})


def test_the_list_leaves_out_all_that_timm_itself_loads_or_calls() -> None:
    assert not STRUCTURE & {
        "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict", "checkpoint_path", "cache_dir",
        "scriptable", "exportable", "features_only", "feature_cls", "kwargs_filter", "model_cfg", "block_fn",
    }  # fmt: skip
