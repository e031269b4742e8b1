"""The options of detection recipes."""

from __future__ import annotations

from typing import Literal

from humanbench.schema import Fraction
from humanbench.tasks.options import RecipeOptions, RecipeSections


class DetectionAugmentOptions(RecipeOptions):
    """`flip` and `crop` are probabilities; `short_sides` the lengths to choose from.

    A crop is taken from the picture resized to one of `crop_short_sides`, each of its sides between the two of
    `crop_sides`. `skip_empty`: pictures without anybody are left out of training.
    """

    flip: Fraction
    short_sides: tuple[int, ...]
    crop: Fraction
    crop_short_sides: tuple[int, ...]
    crop_sides: tuple[int, int]
    skip_empty: bool


class DetectionHeadOptions(RecipeOptions):
    """Sizes of the decoder, and how it starts.

    Queries are `anchors` points x `contents` content vectors. `anchor_start`: `uniform` draws the points at random,
    `grid` spreads them evenly. `content`: `learned` is the paper's, every image starts with the same content vectors;
    `sampled` adds to them what the map holds at the query's point, which learns within minutes what takes the
    other many epochs. `prior`: the score that every query starts with.
    """

    hidden: int
    heads: int
    ffn: int
    layers: int
    anchors: int
    contents: int
    anchor_start: Literal["uniform", "grid"]
    content: Literal["learned", "sampled"]
    prior: float


class DetectionLossOptions(RecipeOptions):
    """Weights of the three costs and losses, and the focal loss' shape.

    `ignore_overlap`: a query without a person drops out of the classification when this share of its box lies in a box
    to ignore.
    """

    classification: float
    l1: float
    giou: float
    focal_alpha: float
    focal_gamma: float
    ignore_overlap: float


class DetectionTestOptions(RecipeOptions):
    """Boxes with a lower `score` are left out. There is no suppression of overlapping boxes."""

    score: Fraction


class DetectionSections(RecipeSections):
    """The sections of recipes of the task."""

    augment: DetectionAugmentOptions
    head: DetectionHeadOptions
    loss: DetectionLossOptions
    test: DetectionTestOptions
