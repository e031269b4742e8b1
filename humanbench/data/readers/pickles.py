"""Pickles of datasets that are distributed as such, read without running anything they name."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

from humanbench.cards import DatasetCard
from humanbench.data.readers.files import existing
from humanbench.errors import DataError

_PLAIN = (bool, bytearray, bytes, complex, dict, float, frozenset, int, list, range, set, str, tuple)
_ACCEPTED = {
    *(("builtins", kind.__name__) for kind in _PLAIN),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),  # how Python 3 writes bytes in the protocols of Python 2
    ("collections", "OrderedDict"),
}
_OLD_NAMES = {  # of Python 2 and numpy 1
    "__builtin__": "builtins",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}


class _Dictionary(dict[str, Any]):
    """What a pickled `easydict.EasyDict` becomes: its items."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = _OLD_NAMES.get(module, module)
        if (module, name) in _ACCEPTED:
            return getattr(importlib.import_module(module), name)
        if (module, name) == ("easydict", "EasyDict"):
            return _Dictionary
        raise pickle.UnpicklingError(f"it names {module}.{name}; only numpy arrays and plain values are accepted")


def load_pickle(card: DatasetCard, path: Path) -> Any:
    """The content of a pickle of numpy arrays and plain values; strings of Python 2 are taken as latin-1.

    Raises `DataError` for an absent or damaged file and for one that names any other class or function.
    """
    with existing(card, path).open("rb") as file:
        try:
            return _Unpickler(file, encoding="latin1").load()
        except Exception as error:  # a damaged pickle may raise nearly anything
            reason = f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
            raise DataError(f"{card.id}: {path} is not a readable pickle of arrays ({reason})") from error
