"""Readers: one module per on-disk format, each reading a dataset as distributed.

A reader module offers

    def read(card: DatasetCard, split: str, root: Path) -> pandas.DataFrame

where `root` is the archive's top folder (already found from `card.reader.roots`) and the result is the sample table of
the task (columns: `humanbench.data.samples`). Readers open annotation files, never images. `id` is stable across
machines: for images the POSIX path relative to `root`, as short as stays unique and natural for the format (a MPII or
PA-100K image is its file name; a parsing map is its stem; a person of a pose dataset is `<image_id>/<annotation_id>`).
Coordinates are original image pixels with (0, 0) the centre of the top-left pixel; formats that count from 1 are
converted by the reader.

A parsing reader whose `label` is not simply an index PNG also offers

    def label_map(card: DatasetCard, label: str) -> numpy.ndarray        # H x W uint8 class indices, 255 = ignore

A reader of a dataset whose images come packed inside one file also offers

    def extract(card: DatasetCard, root: Path) -> list[Path]             # the folders that now hold the images

which `humanbench datasets extract ID` calls once; `read` then finds the folders, and until then names the command.

A reader that finds a conversion to COCO's form beside the official files also offers

    def image_name(file_name: str) -> str                                # the id of the picture that it calls so

What a card says in `[reader.options]` is declared by the class that the module calls
`OPTIONS` (`humanbench.data.readers.options`).
Modules import neither pandas nor torch when they are loaded: cards are checked whenever datasets are listed.

Errors are `DataError`s that name the file (and line), what was expected and `humanbench datasets show ID`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from humanbench.data import Table
from humanbench.errors import AbsentError, CardError, DataError
from humanbench.leftovers import files_in
from humanbench.names import shown
from humanbench.text import nearest

if TYPE_CHECKING:
    from humanbench.cards import DatasetCard


class ReaderModule(Protocol):
    """What a reader module offers."""

    def read(self, card: DatasetCard, split: str, root: Path) -> Table:
        """The sample table of a split."""


def reader_for(card: DatasetCard) -> ReaderModule:
    """The module that reads this card's format: one of ours, or a plug-in named `package.module`."""
    module = format_module(card, __name__, "reader")
    if module is None:
        name, known = card.reader.format, sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
        raise CardError(f"{card.id}: there is no reader called {name!r}{nearest(name, known)}")
    return cast(ReaderModule, module)


def format_module(card: DatasetCard, package: str, kind: str) -> ModuleType | None:
    """The module of the card's format in our `package`, or a plug-in; None where there is none. `kind`: for errors."""
    name = card.reader.format
    module = name if "." in name else f"{package}.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name != module and not module.startswith(f"{error.name}."):
            raise CardError(f"{card.id}: the {kind} {name} needs a package that is not there: {error.name}") from error
        return None


_MISREAD = (ArithmeticError, AttributeError, LookupError, RecursionError, StopIteration, TypeError, ValueError)
"""What a reader runs into where a file is not of its format."""


@contextmanager
def understood(card: DatasetCard, what: object) -> Iterator[None]:
    """Whatever a reader makes of files that are not of its format ends in a `DataError`, with `what` was read.

    The sentences for what is known to go wrong come from the reader itself.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{card.id}: {error.filename or what} cannot be read ({error.strerror or error})") from error
    except _MISREAD as error:
        raise DataError(
            f"{card.id}: {what} is not in the form that the reader {card.reader.format} knows "
            f"({type(error).__name__}: {shown(str(error), 200)}); `humanbench datasets show {card.id}` shows the layout"
        ) from error


def check_options(card: DatasetCard) -> None:
    """`CardError` unless there is a reader for the card's format and `[reader.options]` are what it declares."""
    from humanbench.data.readers.options import ReaderOptions, checked

    checked(card, getattr(reader_for(card), "OPTIONS", ReaderOptions))


def ids_of_numbers(card: DatasetCard, table: Table) -> dict[str, str]:
    """The ids of a table's images by the numbers of a COCO-form conversion that lies beside the official files."""
    from humanbench.data.readers.files import load_json

    path, name = table.attrs.get("numbered"), getattr(reader_for(card), "image_name", str)
    if path is None:
        return {}
    content = load_json(card, Path(path), without="segmentation")
    try:
        return {str(image["id"]): name(stated_name(image)) for image in content["images"]}
    except (KeyError, TypeError) as error:
        raise DataError(f"{card.id}: {path} is not a COCO-form file with images of id and file_name") from error


def stated_name(image: Mapping[str, Any]) -> str:
    """The file name of an image record in COCO's form; Pedestron's CityPersons calls it `im_name`."""
    return str(image["file_name"] if "file_name" in image else image["im_name"])


def find_root(card: DatasetCard, folder: Path) -> Path:
    """The archive's top folder under the dataset's folder: the first of `card.reader.roots` that exists.

    A root other than "." must exist by name; "." matches last, so both an unpacked archive and its content work. Some
    unpackers put a folder of the archive's name around it, so one of its names inside it is the root.
    """
    if not folder.is_dir():
        raise AbsentError(
            f"{card.id}: there is no folder {folder}; "
            f"`humanbench datasets show {card.id}` says how to get the data and how it is laid out"
        )
    names = [name for name in card.reader.roots if name != "."]
    root = next((folder / name for name in names if (folder / name).is_dir()), folder)
    while inner := next((root / name for name in (root.name, *names) if (root / name).is_dir()), None):
        root = inner
    return root


def need(card: DatasetCard, root: Path, *choices: str) -> Path:
    """The first of these paths under `root` that exists; an `AbsentError` naming all of them when none does."""
    for choice in choices:
        if (root / choice).exists():
            return root / choice
    wanted = " or ".join(choices)
    raise AbsentError(
        f"{card.id}: {wanted} not found under {root}; `humanbench datasets show {card.id}` prints the expected layout"
    )


def annotation_files(card: DatasetCard, folder: Path, suffix: str, kind: str = "") -> list[Path]:
    """The files of this suffix in a folder, in order; a `DataError` where there is none (`kind`: what one is of)."""
    files = list(files_in(folder, f"*{suffix}"))
    if not files:
        raise DataError(f"{card.id}: no {suffix} file {kind}in {folder}")
    return files


def below(folder: Path, names: Iterable[str]) -> list[str]:
    """The paths of these names in a folder, without an object of Python's for every one."""
    base = f"{folder}{os.sep}"
    return [base + name for name in names]


def first_file(root: Path, names: Iterable[str]) -> Path | None:
    """The first of these files under `root` that is there."""
    return next((root / name for name in names if (root / name).is_file()), None)


def first_present(root: Path, folders: Sequence[str]) -> Path:
    """The first of these folders under `root` that exists; the first named one where none does."""
    return next((root / folder for folder in folders if (root / folder).is_dir()), root / folders[0])


def picture_finder(
    card: DatasetCard, root: Path, folders: Sequence[str], *, listed: bool = False
) -> Callable[..., str]:
    """`find(name, *other_names) -> absolute path` of a picture in the first of these folders that holds it.

    `folders` are relative to `root`; those that exist are used, and a `DataError` names all of them when none does.
    With a single folder and `listed` false nothing is looked up: the path is put together and no file is touched.
    Otherwise each folder is listed once, and a picture that is in none of them is a `DataError`.
    """
    present = [root / folder for folder in folders if (root / folder).is_dir()]
    if not present:
        raise DataError(
            f"{card.id}: no folder {' or '.join(folders)} under {root}; "
            f"`humanbench datasets show {card.id}` prints the expected layout"
        )
    if len(present) == 1 and not listed:
        prefix = f"{present[0]}{os.sep}"
        return lambda name, *others: prefix + name
    places: dict[str, str] = {}
    for folder in reversed(present):
        with os.scandir(folder) as entries:
            places.update({entry.name: entry.path for entry in entries})

    def find(name: str, *others: str) -> str:
        for candidate in (name, *others):
            if candidate in places:
                return places[candidate]
        wanted = " or ".join((name, *others))
        raise DataError(f"{card.id}: the annotated image {wanted} is not in {', '.join(map(str, present))}")

    return find
