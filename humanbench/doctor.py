"""What of this machine and this installation a run would stumble over, found without loading what is heavy."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from humanbench._version import __version__
from humanbench.errors import HumanbenchError
from humanbench.paths import cache_folder
from humanbench.provenance import answer, git_state, machine
from humanbench.threads import cores

if TYPE_CHECKING:
    from humanbench.data_root import DataRoot

State = Literal["ok", "warn", "bad"]
GIB = 1 << 30
LITTLE_ROOM = 5 * GIB
"""Free bytes below which a place is warned of: stored trunk outputs of one dataset are soon as much (docs/cache.md)."""
NO_ROOM = GIB // 4
SMALL_SHM = GIB // 2
"""Shared memory below which reading processes die of bus errors; containers have 64 MiB unless told otherwise."""
_PATIENCE = 60
"""Seconds that a program which is asked has for its answer."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, what is there, and, unless it is ok, what mends it."""

    name: str
    state: State
    text: str
    mend: str = ""


def findings(data_root: DataRoot | None = None, hub: bool = False) -> Iterator[Finding]:
    """Everything that is looked at, in the order in which it is shown; the hub only when it is asked for."""
    yield _humanbench()
    yield _python()
    yield from _packages()
    yield from _extras()
    yield _device()
    yield _threads()
    yield from _shared_memory()
    yield from _places()
    yield _compiled()
    yield from _data(data_root)
    if hub:
        yield _hub()


def _humanbench() -> Finding:
    commit, changed = git_state()
    of = f", commit {commit[:12]}{' with changes' if changed else ''}" if commit else ""
    return Finding("humanbench", "ok", f"{__version__} in {Path(__file__).parent}{of}")


def _python() -> Finding:
    text = f"{sys.version.split()[0]} in {sys.prefix}, {machine()}"
    if sys.platform != "linux":
        return Finding("python", "warn", text, "the tests run on Linux alone; say so when you report something")
    return Finding("python", "ok", text)


def _packages() -> Iterator[Finding]:
    """Dependencies by what the installed packages say that they need of each other."""
    wanted = dict(_requirements("humanbench"))
    if not wanted:
        yield Finding("packages", "warn", "humanbench is not installed, it runs from its folder", "pip install -e .")
        return
    wrong = []
    for name, bounds in wanted.items():
        version = _version(name)
        if version is None:
            wrong.append(Finding(name, "bad", "is not installed", f"pip install '{name}{bounds}'"))
        elif not _fits(version, bounds):
            wrong.append(Finding(name, "bad", f"{version}, humanbench needs {bounds}", f"pip install '{name}{bounds}'"))
        for other, of_other in _requirements(name) if version else ():
            there = _version(other) if other in wanted else None
            if there and not _fits(there, of_other):
                text = f"{version} needs {other}{of_other}, and {other} is {there}"
                wrong.append(Finding(name, "bad", text, f"pip install '{name}' '{other}{of_other}'"))
    yield from wrong
    shown = ", ".join(f"{name} {_version(name) or 'missing'}" for name in ("torch", "torchvision", "timm", "numpy"))
    if not wrong:
        yield Finding("packages", "ok", f"{len(wanted)} as they need each other; {shown}")


def _requirements(name: str, extra: str = "") -> list[tuple[str, str]]:
    """What an installed package needs here, or for an extra alone: name and bounds."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    needs = []
    for line in lines:
        try:
            one = Requirement(line)
        except InvalidRequirement:
            continue
        of_extra = one.marker is not None and "extra" in str(one.marker)
        if of_extra == bool(extra) and (one.marker is None or one.marker.evaluate({"extra": extra})):
            needs.append((str(canonicalize_name(one.name)), str(one.specifier)))
    return needs


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _fits(version: str, bounds: str) -> bool:
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        number = Version(version)
    except InvalidVersion:
        return True  # a build of one's own: nobody can tell
    return SpecifierSet(bounds).contains(number, prereleases=True)


def _extras() -> Iterator[Finding]:
    """Optional parts that a user may want, and how they are had."""
    try:
        package_metadata = metadata.metadata("humanbench")
    except metadata.PackageNotFoundError:
        return
    for extra in sorted(set(package_metadata.get_all("Provides-Extra") or []) - _FOR_DEVELOPERS):
        lacking = [name for name, _ in _requirements("humanbench", extra) if _version(name) is None]
        if lacking:
            text = f"not installed ({', '.join(lacking)}); if you need it: pip install 'humanbench[{extra}]'"
        else:
            text = "installed"
        yield Finding(f"extra {extra}", "ok", text)


_FOR_DEVELOPERS = frozenset({"bench", "dev", "docs"})


def _device() -> Finding:
    """The GPU: what its driver says and what torch was built for; torch is started only where both are there."""
    built = _cuda_of_torch()
    query = "--query-gpu=name,memory.total,driver_version"
    gpus = answer(["nvidia-smi", query, "--format=csv,noheader"], _PATIENCE)
    if not gpus:
        return Finding("device", "ok", f"processor; no NVIDIA GPU answers here (torch is built {_built(built)})")
    names = "; ".join(line.strip() for line in gpus.splitlines() if line.strip())
    if built is None:
        mend = "install a build of torch with CUDA: https://pytorch.org/get-started/locally"
        return Finding("device", "warn", f"{names}, but torch is built without CUDA and runs on the processor", mend)
    code = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"
    if (answer([sys.executable, "-c", code], _PATIENCE) or "0").split()[-1] == "0":
        mend = (
            "a driver that is old enough for this, a GPU taken away (CUDA_VISIBLE_DEVICES)? "
            "`python -c 'import torch; torch.cuda.init()'` says which"
        )
        return Finding("device", "bad", f"{names}, but torch ({_built(built)}) finds none that it can use", mend)
    return Finding("device", "ok", f"{names}; torch is built {_built(built)}")


def _built(cuda: str | None) -> str:
    return f"for CUDA {cuda}" if cuda else "without CUDA"


def _cuda_of_torch() -> str | None:
    """The version of CUDA that torch is built for, from its own file; None without, or without torch."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    line = re.search(r"^cuda\b[^=]*=\s*'([^']+)'", text, re.M)
    return line[1] if line else None


def _threads() -> Finding:
    """Processors that this process may use, against what libraries are told to use."""
    share = _quota()
    usable = min(cores(), max(1, int(share))) if share else cores()
    omp_threads = os.environ.get("OMP_NUM_THREADS", "")
    text = f"{usable} of {os.cpu_count()} processors{f', OMP_NUM_THREADS={omp_threads}' if omp_threads else ''}"
    if omp_threads and (not omp_threads.isdecimal() or int(omp_threads) < 1):
        return Finding("threads", "bad", f"OMP_NUM_THREADS is {omp_threads!r}", f"export OMP_NUM_THREADS={usable}")
    if (int(omp_threads) if omp_threads else cores()) > usable:
        return Finding("threads", "warn", f"{text}: more threads than processors", f"export OMP_NUM_THREADS={usable}")
    return Finding("threads", "ok", text)


def _quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> float | None:
    """Processors that a container's limit comes to; None without one."""
    try:
        limit, period = path.read_text(encoding="ascii").split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _shared_memory(path: Path = Path("/dev/shm")) -> Iterator[Finding]:
    """Through it reading processes hand over pictures."""
    if not path.is_dir():
        return
    total = shutil.disk_usage(path).total
    mend = "start the container with --shm-size=8g (or --ipc=host), or give --workers 0"
    small = total < SMALL_SHM
    yield Finding("shared memory", "warn" if small else "ok", f"{_size(total)} in {path}", mend if small else "")


def _places() -> Iterator[Finding]:
    """Free disk where something is written."""
    try:
        cache = cache_folder()
    except HumanbenchError as error:
        yield Finding("cache", "bad", str(error), "export HUMANBENCH_CACHE=/some/folder")
    else:
        yield _place("cache", cache, "export HUMANBENCH_CACHE=/a/folder/with/room, or `humanbench cache clear`")
    yield _place("working folder", Path.cwd(), "go where there is room, or give --out")
    yield _place("temporary files", Path(tempfile.gettempdir()), "export TMPDIR=/a/folder/with/room")


def _place(name: str, folder: Path, mend: str) -> Finding:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(name, "bad", f"{folder} cannot be written to", mend)
    free = shutil.disk_usage(there).free
    state: State = "bad" if free < NO_ROOM else "warn" if free < LITTLE_ROOM else "ok"
    content = f", holds {_size(_bytes(folder))}" if name == "cache" and folder.is_dir() else ""
    return Finding(name, state, f"{_size(free)} free in {folder}{content}", "" if state == "ok" else mend)


def _bytes(folder: Path) -> int:
    """What lies in the parts of a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:  # gone meanwhile
                continue
    return total


def _size(number: int) -> str:
    return f"{number / GIB:.1f} GiB" if number >= GIB else f"{number / (1 << 20):.0f} MiB"


def _compiled() -> Finding:
    """Where numba keeps machine code: the first place of `humanbench.compiled` that can be written to."""
    for place in _code_places():
        there = next((folder for folder in (place, *place.parents) if folder.exists()), None)
        if there is not None and there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            return Finding("compiled code", "ok", f"is kept in {place}")
    mend = "export NUMBA_CACHE_DIR=/a/folder/that/can/be/written"
    return Finding("compiled code", "warn", "cannot be kept, so every run compiles anew, which costs seconds", mend)


def _code_places() -> Iterator[Path]:
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(named)
    yield Path(__file__).parent / "metrics" / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not home.startswith("~"):
        yield Path(home) / "numba"
    try:
        yield cache_folder()
    except HumanbenchError:
        return


def _data(data_root: DataRoot | None) -> Iterator[Finding]:
    """Where datasets are looked for, and which are there."""
    from humanbench.cards import cards
    from humanbench.data_root import find_data

    try:
        root = find_data(data_root)
        known = cards()
    except HumanbenchError as error:
        yield Finding("data", "bad", str(error), "mend the file that the sentence names, or take it away")
        return
    present = {}
    for name, card in known.items():
        try:
            folder = root.folder(name)
        except HumanbenchError as error:
            yield Finding("data", "bad", str(error), f"mend datasets.{name}.root, or take it away")
            continue
        if folder.is_dir() and any(folder.iterdir()):
            present[name] = card
    evaluated = sum(card.evaluation is not None for card in present.values())
    missing = "" if Path(root).is_dir() else ", a folder that is not there"
    text = f"{len(present)} datasets under {root}{missing}"
    if not present:
        mend = "`humanbench datasets show ID` says how to get one; without data: --suite mini"
        yield Finding("data", "warn", f"{text} ($HUMANBENCH_DATA, --data-root)", mend)
        return
    total = sum(card.evaluation is not None for card in known.values())
    yield Finding("data", "ok", f"{text}: {', '.join(sorted(present))}; {evaluated} of the {total} that are evaluated")


def _hub() -> Finding:
    """Whether the hub answers."""
    import urllib.error
    import urllib.request

    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return Finding("hub", "warn", "is switched off (HF_HUB_OFFLINE)", "unset HF_HUB_OFFLINE")
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=10):
            pass
    except urllib.error.HTTPError:
        pass  # an answer is an answer
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Finding("hub", "bad", f"{address} cannot be reached ({reason})", "weights and bases: give files instead")
    return Finding("hub", "ok", f"{address} answers")
