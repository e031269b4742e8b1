"""What inputs are damaged with: odd words, hostile values, bytes with one thing wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

ODD = (
    "",
    " ",
    "-1",
    "0",
    "1e999",
    "nan",
    "inf",
    "9" * 20,
    "9" * 400,
    "1.5",
    "true",
    "١٢",
    "１２",
    "1_000",
    "../x",
    "/dev/null",
    "/",
    "~nobody/x",
    "x" * 300,
    "\u202ex",
    "a\nb",
    "*",
    "[",
    "{}",
    "[[[[",
    "'",
    '"',
    "=1",
    "é",
    "\x00x",
    "none",
    "None",
    "full",
    "pa100k",
    "pa100kk",
    "market1501",
    "mae_vitb",
    "timm:resnet18",
    "hf-hub:x",
    "vit",
    "random:vit",
    "a=b",
    "optim.lr=x",
    "train=1",
    "test.x=[",
    "datasets.x.root=/",
    "0/0",
    "1/2",
    "cuda:99",
    "json",
    "hf:x",
    "hf:x/y",
)
"""Values for options and arguments."""

HOSTILE: tuple[Any, ...] = (
    None,
    True,
    False,
    -1,
    0,
    5e-324,
    1e308,
    10**30,
    10**400,
    "",
    "x",
    "9",
    "a\nb",
    "x" * 5000,
    [],
    {},
    [[]],
    {"a": []},
    -0.5,
)
"""Values for keys of JSON documents."""

VALUES = ("5", "-1", '"x"', "[]", "0.0", "true", "[0, 0, 0]", "{}", "nan", "9" * 30)
"""Values for keys of TOML files."""


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bytes with one thing wrong with them."""
    kind = rng.randrange(6)
    place = rng.randrange(max(1, len(content)))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]
    if kind == 2:
        return content[:place] + rng.randbytes(rng.choice((1, 7, 200))) + content[place:]
    if kind == 3:
        return content[:place] + rng.choice(ODD).encode("utf-8", "replace") + content[place + 1 :]
    if kind == 4:
        return content[:place] + content[place + rng.choice((1, 10, 1000)) :]
    return rng.choice((b"", b"\x00", b"[", b"{}", b"[" * 20_000, b"\xff\xfe", b"PK\x03\x04", content + content))


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values of a JSON document."""
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in list(pairs)[:50]:
        yield (*path, name)
        yield from leaves(value, (*path, name))


def replaced(document: Any, rng: random.Random) -> tuple[Any, tuple[Any, ...]]:
    """The document with one value replaced or gone, and where."""
    found = json.loads(json.dumps(document))
    path = rng.choice(list(leaves(found)) or [()])
    if not path:
        return rng.choice(HOSTILE), ()
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    if rng.random() < 0.15:
        del inner[path[-1]]
    else:
        inner[path[-1]] = rng.choice(HOSTILE)
    return found, path
