"""The registry as a whole, against the paper's own numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from humanbench.cards import cards, collection, evaluated, load_card, parse_card, scenario, select_cards
from humanbench.data.readers import reader_for
from humanbench.data.writers import writer_for
from humanbench.errors import CardError

# arXiv 2303.05675, table 6: images per dataset sum up to this. (The talk's slides say 11,120,884; unexplained.)
TABLE_6_TOTAL = 11_019_187

CASES_BY_SCENARIO = {  # the paper's lists, from the caption of its table 3 and the talk's slides
    "in-dataset": {
        "human36m_parsing", "lip", "cihp", "market1501", "msmt17", "cuhk03",
        "crowdhuman", "coco_pose", "human36m_pose", "aic", "pa100k", "rapv2",
    },
    "out-of-dataset": {"atr", "sensereid", "caltech", "mpii", "peta"},
    "unseen-task": {"shanghaitech_a", "shanghaitech_b"},
}  # fmt: skip


def test_there_are_44_datasets_37_for_pretraining_and_19_for_evaluation() -> None:
    assert len(cards()) == 44
    assert len(collection("full")) == 37
    assert len(collection("subset")) == 15
    assert len(evaluated()) == 19
    assert {c.id for c in collection("subset")} <= {c.id for c in collection("full")}


def test_pretraining_images_sum_to_table_6() -> None:
    assert sum(c.pretraining.images for c in collection("full") if c.pretraining) == TABLE_6_TOTAL


def test_scenarios_of_a_backbone_pretrained_on_the_37_are_the_papers() -> None:
    pretrained_on = {c.id for c in collection("full")}
    found: dict[str, set[str]] = {}
    for card in evaluated():
        found.setdefault(scenario(card, pretrained_on), set()).add(card.id)
    assert found == CASES_BY_SCENARIO


def test_scenario_of_other_pretrainings() -> None:
    market = load_card("market1501")
    assert scenario(market, None) == "undisclosed"
    assert scenario(market, []) == "unseen-task"
    assert scenario(market, ["msmt17"]) == "out-of-dataset"
    assert scenario(market, ["imagenet-1k"]) == "unseen-task"


@pytest.mark.parametrize("name", sorted(cards()))
def test_a_card_is_complete(name: str) -> None:
    card = load_card(name)
    assert card.homepage.startswith("http")
    assert card.sources, "a fact needs a source"
    assert reader_for(card).read
    assert writer_for(card).write
    vocabulary = {
        "pose": card.labels.keypoints,
        "parsing": card.labels.classes,
        "attribute": card.labels.attributes,
    }
    if card.task in vocabulary:
        assert vocabulary[card.task]
    if card.task == "pose":
        assert card.labels.flip_pairs
        names = card.labels.keypoints
        for a, b in card.labels.flip_pairs:  # a pair is the same joint, left and right
            assert strip_side(names[a]) == strip_side(names[b])
            assert names[a] != names[b]
    for split in card.splits.values():
        assert set(split.unsure) <= {*split.counts(), "labels"}
        if split.labels == "withheld":
            assert split.note, "a withheld split says who holds the labels and what to use instead"
    if card.evaluation:
        for split_name in card.evaluation.test:
            assert card.splits[split_name].labels == "public"


def strip_side(name: str) -> str:
    parts = name.lower().replace("-", "_").split("_")
    return "_".join(p for p in parts if p not in {"left", "right", "l", "r"})


def test_wildcards_and_near_misses() -> None:
    assert {c.id for c in select_cards(["shanghaitech_*"])} == {"shanghaitech_a", "shanghaitech_b"}
    assert all(c.task == "reid" for c in select_cards(task="reid"))
    with pytest.raises(CardError, match="did you mean market1501"):
        load_card("market1510")
    with pytest.raises(CardError, match="no dataset matches"):
        select_cards(["nothing*"])


def test_an_unknown_key_and_a_broken_file_name_file_and_key(tmp_path: Path) -> None:
    from humanbench.paths import shipped

    text = (shipped("datasets") / "market1501.toml").read_text()
    bad = tmp_path / "bad.toml"
    bad.write_text(text.replace('task = "reid"', 'task = "reid"\ncolour = "red"'))
    with pytest.raises(CardError, match=r"bad\.toml: colour: Extra inputs"):
        parse_card(bad)
    bad.write_text("id = ")
    with pytest.raises(CardError, match=r"bad\.toml: not valid TOML"):
        parse_card(bad)
