"""Pedestrian attributes of somebody in a picture, in the words of the dataset cards.

Every attribute of every card is a fact of the look, the pose or the view. An attribute our people never show (paper
bags, employees) is 0 for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from humanbench.data.mannequin.geometry import Actor, heading_sector
from humanbench.data.mannequin.looks import COLORS, Cloth
from humanbench.errors import CardError
from humanbench.text import nearest

Rule = Callable[[Actor], bool]

_SIDES = ("front", "front-right", "right", "back-right", "back", "back-left", "left", "front-left")


def attribute_values(names: tuple[str, ...], actor: Actor) -> list[int]:
    """1 or 0 for each attribute name of a card; `CardError` for an unknown name."""
    return [int(rule_for(name)(actor)) for name in names]


def rule_for(name: str) -> Rule:
    """The predicate behind an attribute name; `CardError` for a name that procedural people do not know."""
    if name in _RULES:
        return _RULES[name]
    for family, (values, make) in _FAMILIES.items():
        if name.startswith(family) and name.removeprefix(family) in values:
            return make(name.removeprefix(family))
    hint = nearest(name, attribute_names())
    raise CardError(f"procedural people have no attribute {name!r} (docs/embedded-suite.md lists theirs){hint}")


def attribute_names() -> list[str]:
    """Every attribute that procedural people have or lack."""
    return [*_RULES, *(family + value for family, (values, _) in _FAMILIES.items() for value in values)]


def facing(actor: Actor, parts: int) -> str:
    """The direction somebody faces in the picture, one of 4 or 8: `front` is toward the viewer, `left` picture left."""
    return _SIDES[heading_sector(actor.yaw, parts) * (8 // parts)]


def _never(actor: Actor) -> bool:
    return False


def _not(test: Rule) -> Rule:
    return lambda a: not test(a)


def _upper(actor: Actor) -> Cloth:
    return actor.look.outer or actor.look.top


def _lower(actor: Actor) -> Cloth:
    return actor.look.top if actor.look.lower in ("dress", "jumpsuit") else actor.look.bottom


def _sleeve(actor: Actor) -> str:
    return "long" if actor.look.outer is not None else actor.look.sleeve


def _is(what: str, *values: Any) -> Rule:
    """Whether this of somebody's look is one of the values."""
    return lambda a: getattr(a.look, what) in values


def _jeans(actor: Actor) -> bool:
    return actor.look.lower == "trousers" and actor.look.bottom.color == "blue" and not actor.look.formal


def _bags(*kinds: str) -> Rule:
    return lambda a: any(k in bag for bag in a.look.bags for k in kinds)


def _pattern(part: Callable[[Actor], Cloth], *patterns: str) -> Rule:
    return lambda a: part(a).pattern in patterns


def _coat(a: Actor) -> bool:
    return a.look.outer is not None


def _tshirt(a: Actor) -> bool:
    return a.look.outer is None and a.look.sleeve == "short"


def _in_pose(*poses: str) -> Rule:
    return lambda a: a.pose in poses


def _employee(a: Actor) -> bool:
    return a.look.formal and a.look.hat == "cap"


def _hand_bag(a: Actor, *colors: str) -> bool:
    return any("hand_bag" in bag for bag in a.look.bags) and a.look.bag is not None and a.look.bag.color in colors


def _nothing_worn(a: Actor) -> bool:
    return not (a.look.hat or a.look.glasses or a.look.scarf)


_calling = _in_pose("phone")
_moving = _in_pose("walking", "running")
_hat = _is("hat", "hat", "cap")
_skirted = _is("lower", "short_skirt", "skirt", "long_skirt", "dress")
_trousered = _is("lower", "trousers", "jumpsuit")
_glasses = _is("glasses", True)
_formal = _is("formal", True)
_long_hair = _is("hair", "long")

_RULES: dict[str, Rule] = {
    # PA-100K
    "Female": _is("gender", "female"),
    "AgeOver60": _is("age", "old"),
    "Age18-60": _is("age", "adult"),
    "AgeLess18": _is("age", "child", "teen"),
    "Front": lambda a: facing(a, 4) == "front",
    "Back": lambda a: facing(a, 4) == "back",
    "Side": lambda a: facing(a, 4) in ("left", "right"),
    "Hat": _hat,
    "Glasses": _glasses,
    "HandBag": _bags("hand_bag"),
    "ShoulderBag": _bags("shoulder_bag"),
    "Backpack": _bags("backpack"),
    "HoldObjectsInFront": _bags("held"),
    "ShortSleeve": lambda a: _sleeve(a) != "long",
    "LongSleeve": lambda a: _sleeve(a) == "long",
    "UpperStride": _pattern(_upper, "stripes", "pinstripes"),
    "UpperLogo": _pattern(_upper, "logo"),
    "UpperPlaid": _pattern(_upper, "checks"),
    "UpperSplice": _pattern(_upper, "splice"),
    "LowerStripe": _pattern(_lower, "stripes", "pinstripes"),
    "LowerPattern": _pattern(_lower, "checks", "dots", "logo"),
    "LongCoat": _is("long_coat", True),
    "Trousers": _trousered,
    "Shorts": _is("lower", "shorts"),
    "Skirt&Dress": _skirted,
    "boots": _is("shoes", "boots"),
    # RAP v2
    "AgeLess16": _is("age", "child"),
    "Age17-30": _is("age", "teen"),
    "Age31-45": _is("age", "adult"),
    "Age46-60": _is("age", "old"),
    "BodyFat": lambda a: a.look.build > 1.08,
    "BodyNormal": lambda a: 0.88 <= a.look.build <= 1.08,
    "BodyThin": lambda a: a.look.build < 0.88,
    "Customer": _not(_employee),
    "Employee": _employee,
    "hs-BaldHead": _is("hair", "bald"),
    "hs-LongHair": _long_hair,
    "hs-BlackHair": lambda a: sum(a.look.hair_rgb) < 0.4 and a.look.hair != "bald",
    "hs-Hat": _hat,
    "hs-Glasses": _glasses,
    "ub-Shirt": lambda a: a.look.outer is None and a.look.formal,
    "ub-Sweater": lambda a: a.look.outer is None and a.look.sleeve == "long" and not a.look.formal,
    "ub-Vest": lambda a: a.look.outer is None and a.look.sleeve == "none",
    "ub-TShirt": _tshirt,
    "ub-Cotton": _is("long_coat", True),
    "ub-Jacket": lambda a: _coat(a) and not a.look.formal and not a.look.long_coat,
    "ub-SuitUp": lambda a: _coat(a) and a.look.formal,
    "ub-Tight": lambda a: a.look.outer is None and a.look.build < 0.85,
    "ub-ShortSleeve": lambda a: _sleeve(a) == "short",
    "ub-Others": _never,
    "lb-LongTrousers": _trousered,
    "lb-Skirt": _is("lower", "skirt", "long_skirt"),
    "lb-ShortSkirt": _is("lower", "short_skirt"),
    "lb-Dress": _is("lower", "dress"),
    "lb-Jeans": _jeans,
    "lb-TightTrousers": lambda a: _trousered(a) and a.look.build < 0.88,
    "shoes-Leather": _is("shoes", "shoes"),
    "shoes-Sports": lambda a: a.look.shoes == "sneakers" and a.look.socks,
    "shoes-Boots": _is("shoes", "boots"),
    "shoes-Cloth": lambda a: a.look.shoes == "sneakers" and not a.look.socks,
    "shoes-Casual": _is("shoes", "sandals"),
    "shoes-Other": _never,
    "attachment-Backpack": _bags("backpack"),
    "attachment-ShoulderBag": _bags("shoulder_bag"),
    "attachment-HandBag": _bags("hand_bag"),
    "attachment-Box": _bags("held"),
    "attachment-PlasticBag": lambda a: _hand_bag(a, "white", "gray", "red"),
    "attachment-PaperBag": lambda a: _hand_bag(a, "brown", "yellow", "orange"),
    "attachment-HandTrunk": _bags("trolley"),
    "attachment-Other": lambda a: a.look.umbrella is not None,
    "action-Calling": _calling,
    "action-Talking": _in_pose("reaching"),
    "action-Gathering": _never,
    "action-Holding": _bags("held"),
    "action-Pushing": _never,
    "action-Pulling": _bags("trolley"),
    "action-CarryingByArm": _bags("shoulder_bag"),
    "action-CarryingByHand": _bags("hand_bag"),
    "action-Other": _in_pose("running", "reaching"),
    # PETA
    "personalLess30": _is("age", "child", "teen"),
    "personalLess45": _is("age", "adult"),
    "personalLess60": _never,
    "personalLarger60": _is("age", "old"),
    "carryingBackpack": _bags("backpack"),
    "carryingOther": _bags("held", "trolley"),
    "lowerBodyCasual": _not(_formal),
    "upperBodyCasual": _not(_formal),
    "lowerBodyFormal": _formal,
    "upperBodyFormal": _formal,
    "accessoryHat": _hat,
    "upperBodyJacket": _coat,
    "lowerBodyJeans": _jeans,
    "footwearLeatherShoes": lambda a: a.look.formal and a.look.shoes == "shoes",
    "upperBodyLogo": _pattern(_upper, "logo"),
    "hairLong": _long_hair,
    "personalMale": _is("gender", "male"),
    "carryingMessengerBag": _bags("shoulder_bag"),
    "accessoryMuffler": lambda a: a.look.scarf is not None,
    "accessoryNothing": _nothing_worn,
    "carryingNothing": lambda a: not a.look.bags and a.look.umbrella is None,
    "upperBodyPlaid": _pattern(_upper, "checks"),
    "carryingPlasticBags": _bags("hand_bag"),
    "footwearSandals": _is("shoes", "sandals"),
    "footwearShoes": _is("shoes", "shoes", "boots"),
    "lowerBodyShorts": _is("lower", "shorts"),
    "upperBodyShortSleeve": lambda a: _sleeve(a) == "short",
    "lowerBodyShortSkirt": _skirted,
    "footwearSneaker": _is("shoes", "sneakers"),
    "upperBodyThinStripes": _pattern(_upper, "pinstripes"),
    "accessorySunglasses": _glasses,
    "lowerBodyTrousers": lambda a: _trousered(a) and not _jeans(a),
    "upperBodyTshirt": _tshirt,
    "upperBodyOther": lambda a: a.look.sleeve == "none" or a.look.lower == "dress",
    "upperBodyVNeck": _never,
    # WIDER Attribute
    "Male": _is("gender", "male"),
    "longHair": _long_hair,
    "sunglass": _glasses,
    "T-shirt": _tshirt,
    "longSleeve": lambda a: _sleeve(a) == "long",
    "formal": _formal,
    "shorts": _is("lower", "shorts"),
    "jeans": _jeans,
    "longPants": _trousered,
    "skirt": _skirted,
    "faceMask": _is("mask", True),
    "logo": _pattern(_upper, "logo"),
    "stripe": _pattern(_upper, "stripes", "pinstripes"),
    # Market-1501 Attribute: 1 is the second of the codes, e.g. short sleeves, short lower body, trousers, long hair
    "backpack": _bags("backpack"),
    "bag": _bags("shoulder_bag"),
    "handbag": _bags("hand_bag"),
    "clothes": _not(_skirted),
    "down": lambda a: a.look.lower in ("shorts", "short_skirt", "skirt", "dress"),
    "up": lambda a: _sleeve(a) != "long",
    "hair": _long_hair,
    "hat": _hat,
    "gender": _is("gender", "female"),
    "young": _is("age", "child"),
    "teenager": _is("age", "teen"),
    "adult": _is("age", "adult"),
    "old": _is("age", "old"),
    # UAV-Human
    "male": _is("gender", "male"),
    "upper style long": lambda a: _sleeve(a) == "long",
    "upper style short": lambda a: _sleeve(a) != "long" and a.look.lower != "dress",
    "upper style skirt": lambda a: _sleeve(a) != "long" and a.look.lower == "dress",
    "upper style n/a": _never,
    "lower style long": _trousered,
    "lower style short": _is("lower", "shorts"),
    "lower style skirt": _skirted,
    "lower style n/a": _never,
    # PARSE-27k
    "Gender male": _is("gender", "male"),
    "Gender female": _is("gender", "female"),
    "Posture walking": _moving,
    "Posture standing": _not(_moving),
}

_PARSE_27K: dict[str, Rule] = {
    "HasBagOnShoulderLeft": _bags("left_shoulder_bag"),
    "HasBagOnShoulderRight": _bags("right_shoulder_bag"),
    "HasBagInHandLeft": _bags("left_hand_bag"),
    "HasBagInHandRight": _bags("right_hand_bag"),
    "HasTrolley": _bags("trolley"),
    "HasBackpack": _bags("backpack"),
    "isPushing": _never,
    "isTalkingOnPhone": _calling,
}
_RULES |= {f"{name} yes": test for name, test in _PARSE_27K.items()}
_RULES |= {f"{name} no": _not(test) for name, test in _PARSE_27K.items()}
_RULES |= {f"{name} n/a": _never for name in (*_PARSE_27K, "Orientation", "Orientation8", "Gender", "Posture")}


_MERGED = {"grey": "gray", "dark brown": "brown", "orange": "yellow"}


def _color_of(cloth: Cloth, known: tuple[str, ...], other: str) -> str:
    color = {v: k for k, v in _MERGED.items()}.get(cloth.color, cloth.color)
    for name in (color, cloth.color, _MERGED.get(cloth.color, "")):
        if name in known:
            return name
    return other


_UAV_COLORS = ("red", "black", "blue", "green", "grey", "white", "yellow", "dark brown", "purple", "pink")


def _uav_cloth(part: Callable[[Actor], Cloth]) -> Callable[[str], Rule]:
    def color(actor: Actor) -> str:
        cloth = part(actor)
        return "multicolor" if cloth.pattern != "plain" else _color_of(cloth, _UAV_COLORS, "multicolor")

    return lambda name: lambda actor: color(actor) == name


def _uav_thing(has: Rule, part: Callable[[Actor], Cloth | None], known: tuple[str, ...]) -> Callable[[str], Rule]:
    def color(actor: Actor) -> str:
        cloth = part(actor) if has(actor) else None
        return "none" if cloth is None else _color_of(cloth, known, known[0])

    return lambda name: lambda actor: color(actor) == name


def _market_color(part: Callable[[Actor], Cloth]) -> Callable[[str], Rule]:
    return lambda name: lambda actor: part(actor).color == name


_BAG_COLORS = ("red", "black", "green", "yellow")
_HAT_COLORS = ("red", "black", "yellow", "white")

_FAMILIES: dict[str, tuple[tuple[str, ...], Callable[[str], Rule]]] = {
    "Orientation8 ": (_SIDES, lambda name: lambda actor: facing(actor, 8) == name),
    "Orientation ": (_SIDES[::2], lambda name: lambda actor: facing(actor, 4) == name),
    "backpack ": ((*_BAG_COLORS, "none"), _uav_thing(_bags("backpack"), lambda a: a.look.bag, _BAG_COLORS)),
    "hat ": ((*_HAT_COLORS, "none"), _uav_thing(_hat, lambda a: a.look.hat_cloth, _HAT_COLORS)),
    "upper ": ((*_UAV_COLORS, "multicolor", "n/a"), _uav_cloth(_upper)),
    "lower ": ((*_UAV_COLORS, "multicolor", "n/a"), _uav_cloth(_lower)),
    "down": (tuple(COLORS), _market_color(_lower)),
    "up": (tuple(COLORS), _market_color(_upper)),
}
"""Names that begin alike: what may follow, and the rule of each."""
