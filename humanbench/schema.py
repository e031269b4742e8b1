"""Typed records, and one sentence for what is wrong with one."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from humanbench.text import nearest

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
SEEDS = 1 << 32
"""Seeds are 0 .. SEEDS - 1: what every generator of random numbers takes."""
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float that JSON holds as null where it is undefined."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """A frozen record: unknown keys are errors, and nothing in it changes afterwards.

    Its validation is built when the first one is made, so that importing a module with records costs little.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def location(error: ValidationError, whole: str = "") -> str:
    """Where the first thing is that is wrong, as dotted keys; `whole` where it is the record itself."""
    return ".".join(str(part) for part in error.errors()[0]["loc"]) or whole


def problem(error: ValidationError, whole: str = "") -> str:
    """The first thing that is wrong with a record: where, and what."""
    where, what = location(error, whole), error.errors()[0]["msg"]
    return f"{where}: {what}" if where else what


def unknown_key(error: ValidationError, model: object) -> str:
    """The near misses and the keys there are, where the first error is a key that `model` has not; else ""."""
    first = error.errors()[0]
    if first["type"] != "extra_forbidden":
        return ""
    known = list(getattr(model, "model_fields", {}))
    return f"{nearest(str(first['loc'][-1]), known)} (keys: {', '.join(known) or 'none'})"


def found(error: ValidationError) -> str:
    """What stands where the first error is, for the end of a sentence."""
    given = error.errors()[0]["input"]
    if isinstance(given, int) and abs(given) >= 10**40:
        return "(found a number of more than 40 digits)"
    return f"(found {given!r})"


def complaint(error: ValidationError) -> str:
    """`problem`, and what stands there, unless the message is one of ours, which says so itself."""
    ours = error.errors()[0]["type"] in OUR_ERRORS
    return problem(error) if ours else f"{problem(error)} {found(error)}"


OUR_ERRORS = ("unknown_name", "unknown_key", "unfit")
"""Types of errors whose message names what was given: a name in no catalogue, a key in no record, values at odds."""
