"""JSON as objects: decoded by msgspec, and by the standard library where that refuses."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def decoded(text: str | bytes) -> Any:
    """What `json.loads` gives and raises, in a third of its time.

    The standard library accepts more (NaN, numbers beyond a float, halves of surrogate pairs) and says where an error
    is, so it decides wherever msgspec refuses.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return json.loads(text)
