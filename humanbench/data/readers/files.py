"""Opening annotation files and their numeric fields: absent and corrupt ones become one clear sentence."""

from __future__ import annotations

import gc
import importlib
import json
import os
import pickle
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import Floats, real_numbers
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.documents import from_json
from humanbench.errors import AbsentError, DataError


def existing(card: DatasetCard, path: Path) -> Path:
    """The path itself; a `DataError` when there is no such file."""
    if not path.is_file():
        raise AbsentError(
            f"{card.id}: there is no file {path}; `humanbench datasets show {card.id}` prints the expected layout"
        )
    return path


def load_mat(card: DatasetCard, path: Path, names: list[str] | None = None) -> dict[str, Any]:
    """The variables of a MATLAB file by name (without the `__header__` kind).

    MATLAB 5 files are read by `scipy.io.loadmat`, only the variables of these `names` where they are given. MATLAB 7.3
    files are HDF5 and read whole: their numeric arrays come as numpy arrays in MATLAB's index order, everything else
    (cells, structs) as dicts and object arrays of the same; strings are decoded. Raises `DataError` for an absent,
    truncated or foreign file.
    """
    import scipy.io

    try:
        _check_sums(existing(card, path))
        loaded: dict[str, Any] = scipy.io.loadmat(path, variable_names=names)
    except NotImplementedError:
        return _load_hdf5(card, path)
    except MemoryError as error:
        raise DataError(f"{card.id}: {path} is not a readable MATLAB file (a size in it is absurd)") from error
    except Exception as error:  # scipy lets struct, zlib, index and type errors of corrupt files through
        if is_hdf5(path):  # 7.3 without MATLAB's header, as other tools save it
            return _load_hdf5(card, path)
        raise DataError(f"{card.id}: {path} is not a readable MATLAB file ({_reason(error)})") from error
    return {k: v for k, v in loaded.items() if not k.startswith("__")}


_COMPRESSED = 15
"""A variable of a MATLAB 5 file that is a zlib stream."""


def _check_sums(path: Path) -> None:
    """`ValueError` or `zlib.error` where a compressed variable of a MATLAB 5 file is not what was written.

    scipy parses a stream before its sum is known, and some damaged ones end the whole process.
    """
    with path.open("rb") as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(128)[126:])
        while order is not None and len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            if kind != _COMPRESSED:
                file.seek(size, os.SEEK_CUR)
                continue
            stream, left = zlib.decompressobj(), size
            while left and (part := file.read(min(left, _PART))):
                left -= len(part)
                while part:
                    stream.decompress(part, _PART)
                    part = stream.unconsumed_tail
            if not stream.eof:
                raise ValueError("a variable in it is cut off")


_PART = 1 << 20
"""Bytes that are read, and unpacked, at a time."""


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5, as MATLAB 7.3 files are."""
    import h5py

    return bool(h5py.is_hdf5(path))


_FOREIGN = (AttributeError, LookupError, TypeError, ValueError)
"""What a reader runs into where values are not of the kinds that it expects."""


@contextmanager
def expecting(before: str, after: str = "") -> Iterator[None]:
    """Values of other kinds than expected end in a `DataError`: `before`, what the reader ran into, `after`."""
    try:
        yield
    except _FOREIGN as error:
        raise DataError(f"{before}{type(error).__name__}: {error}{after}") from error


@contextmanager
def expecting_structure(card: DatasetCard, path: Path, expected: str) -> Iterator[None]:
    """Variables of a MATLAB file that are not built as `expected` end in a `DataError`.

    Arrays of structs look different in MATLAB 7.3 files, which nobody distributes here but anybody can save.
    """
    try:
        yield
    except _FOREIGN as error:
        if is_hdf5(path):
            raise DataError(
                f"{card.id}: {path} was saved again as MATLAB 7.3, in which {expected} cannot be told; take the file "
                "as it is distributed, or save it with the option -v7"
            ) from error
        raise DataError(f"{card.id}: {path}: expected {expected}, found {type(error).__name__}: {error}") from error


def load_json(card: DatasetCard, path: Path, without: str = "") -> Any:
    """The content of a JSON file; a `DataError` with line and column when it is not valid.

    `without` names a key whose lists and flat objects are not parsed but become 0: outlines are most of a COCO file and
    most of its reading time.
    """
    text = _text(card, path)
    try:
        with collector_paused():
            if without:
                text = re.sub(rf'"{without}":\s*(?:\[[^"{{}}]*\]|\{{[^{{}}]*\}})', f'"{without}":0', text)
            return from_json(text)
    except json.JSONDecodeError as error:
        if without:
            return load_json(card, path)  # for the position in the file itself
        raise DataError(
            f"{card.id}: {path}, line {error.lineno} column {error.colno}: not valid JSON ({error.msg})"
        ) from error
    except ValueError as error:  # a number of thousands of digits
        raise DataError(f"{card.id}: {path} is not a JSON file of annotations ({_reason(error)})") from error


def read_lines(card: DatasetCard, path: Path) -> list[str]:
    """The lines of a UTF-8 text file without line ends; blank lines at the end are dropped, others kept.

    So the number of a line is its index + 1, for error messages.
    """
    lines = _text(card, path).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def converted(card: DatasetCard, split: str, table: Table, path: Path, whole: bool = False) -> Table:
    """The table with a remark that names the conversion.

    Unless the conversion is known to be `whole`, `attrs["conversion"]` is true: the counts of a card are those of the
    official files, so another one is no failure.
    """
    rest = "" if whole else "; images may have been left out of it"
    remark = f"{card.id} {split}: the annotations are those of {path}, a conversion{rest}"
    table.attrs["remarks"] = [remark, *table.attrs.get("remarks", ())]
    if not whole:
        table.attrs["conversion"] = True
    return table


def field(
    card: DatasetCard, path: Path, content: Mapping[str, Any], name: str, shape: tuple[int | None, ...]
) -> Floats:
    """`content[name]` as float64 of the given shape (None: any length); a `DataError` naming the file otherwise."""
    if name not in content:
        raise DataError(f"{card.id}: {path} holds no {name!r}; it has {', '.join(map(str, content)) or 'nothing'}")
    return array(card, path, content[name], name, shape)


def array(card: DatasetCard, path: Path, value: Any, name: str, shape: tuple[int | None, ...]) -> Floats:
    """`value` as float64 of the given shape (None: any length); a `DataError` naming file and field otherwise."""
    try:
        numbers = real_numbers(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{card.id}: {path}: {name!r} is not an array of numbers ({error})") from error
    if numbers.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, numbers.shape, strict=True)):
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        raise DataError(f"{card.id}: {path}: {name!r} has the shape {numbers.shape}, expected {wanted}")
    return numbers


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


@contextmanager
def collector_paused() -> Iterator[None]:
    """Annotation files become millions of objects, none of them garbage: looking for some takes half the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _text(card: DatasetCard, path: Path) -> str:
    try:
        return existing(card, path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{card.id}: {path} is not a text file (byte {error.start} is not UTF-8)") from error


def _load_hdf5(card: DatasetCard, path: Path) -> dict[str, Any]:
    import h5py

    try:
        with h5py.File(path) as file:
            return {name: _value(file, file[name]) for name in file if not name.startswith("#")}
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise DataError(f"{card.id}: {path} is not a readable MATLAB 7.3 file ({_reason(error)})") from error


def _value(file: Any, node: Any) -> Any:
    """A MATLAB value stored as HDF5: axes are reversed there, strings are code units, cells are references."""
    import h5py

    if isinstance(node, h5py.Group):
        return {name: _value(file, node[name]) for name in node}
    kind = node.attrs.get("MATLAB_class", b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    stored = node[()]
    if node.attrs.get("MATLAB_empty", 0):
        return "" if kind == "char" else np.empty(tuple(int(n) for n in np.atleast_1d(stored)))
    array = np.asarray(stored).T
    if kind == "char":
        return "".join(map(chr, array.ravel(order="C")))
    if array.dtype == object:
        cells = np.empty(array.shape, object)
        for index, reference in np.ndenumerate(array):
            cells[index] = _value(file, file[reference])
        return cells
    return array


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
