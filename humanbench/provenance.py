"""Where a number was computed: code, packages, machine."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "accelerate",
    "humanbench",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "simplejpeg",
    "timm",
    "torch",
    "torchvision",
    "transformers",
)
"""Packages whose versions can move a number."""


def packages() -> dict[str, str]:
    """Versions of what is installed of `PACKAGES`, and of packages that bring tasks, datasets, regimes …"""
    versions = {name: version for name in PACKAGES if (version := _version(name))}
    groups = [group for group in metadata.entry_points().groups if group.startswith("humanbench.")]
    for point in (point for group in groups for point in metadata.entry_points(group=group)):
        if point.dist is not None:
            versions[point.dist.name] = point.dist.version
    return dict(sorted(versions.items()))


@cache
def _version(name: str) -> str | None:
    """The installed version; asked once, as what is loaded stays what it is."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def git_state() -> tuple[str | None, bool | None]:
    """Commit of the checkout this code runs from and whether it was changed since, when first asked.

    None twice outside a checkout.
    """
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None, None
    git = ["git", "-C", str(here)]
    commit = answer([*git, "rev-parse", "HEAD"], 30)
    status = answer([*git, "status", "--porcelain", "--untracked-files=no"], 30)
    return (commit, bool(status)) if commit is not None and status is not None else (None, None)


def answer(command: list[str], patience: float) -> str | None:
    """What a program prints; None where it is not there, fails, or takes longer than so many seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def command_line() -> str:
    """How this process was started, without the path of the program (`python -m humanbench` is `humanbench`)."""
    program = Path(sys.argv[0])
    return shlex.join([program.parent.name if program.name == "__main__.py" else program.name, *sys.argv[1:]])


def machine() -> str:
    """Operating system and processor."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"
