"""`humanbench doctor`: what is wrong with a machine is named with its mend, and nothing heavy is loaded for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from humanbench import doctor
from humanbench.cli import main
from humanbench.doctor import Finding

FREE = 100 * doctor.GIB
QUOTA = doctor._quota


class Disk(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room everywhere, no data, no GPU, whatever this machine has."""
    for name in ("HUMANBENCH_DATA", "OMP_NUM_THREADS", "NUMBA_CACHE_DIR", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HUMANBENCH_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(FREE, 0, FREE))
    monkeypatch.setattr(doctor, "answer", lambda command, patience: "")
    monkeypatch.setattr(doctor, "_quota", lambda: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})


def found(name: str, data_root: Path | None = None) -> Finding:
    """The one finding of this name."""
    from humanbench.data_root import find_data

    root = find_data(data_root) if data_root else None
    (one,) = [finding for finding in doctor.findings(root) if finding.name == name]
    return one


def versions(monkeypatch: pytest.MonkeyPatch, **changed: str | None) -> None:
    """Pretend that these packages have other versions; None: they are not there."""
    real: Callable[[str], str] = metadata.version

    def version(name: str) -> str:
        if name in changed and changed[name] is None:
            raise metadata.PackageNotFoundError(name)
        return changed.get(name) or real(name)

    monkeypatch.setattr(metadata, "version", version)


def test_a_sound_machine_is_all_right_and_a_mend_stands_only_where_something_is_not() -> None:
    done = CliRunner().invoke(main, ["doctor", "--json"])
    said = json.loads(done.stdout)
    assert {check["name"] for check in said["checks"]} >= {"python", "packages", "device", "threads", "cache", "data"}
    assert "hub" not in {check["name"] for check in said["checks"]}
    for check in said["checks"]:
        assert check["state"] in ("ok", "warn", "bad")
        assert bool(check["mend"]) == (check["state"] != "ok"), check
    assert (done.exit_code == 0) == said["ok"]
    assert [c for c in said["checks"] if c["state"] == "bad"] == []


def test_what_is_bad_is_shown_with_its_mend_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 1
    line = next(line for line in done.stdout.splitlines() if "OMP_NUM_THREADS is 'many'" in line)
    assert line.startswith("bad")
    assert "mend: export OMP_NUM_THREADS=2" in done.stdout


def test_packages_that_do_not_fit_each_other_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, torch="2.6.0")
    one = found("torchvision")  # whose releases are each for one torch
    assert one.state == "bad"
    assert "torch is 2.6.0" in one.text


def test_a_package_that_is_too_old_or_missing_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, timm="0.9.0", safetensors=None)
    assert found("timm").state == "bad"
    assert found("timm").mend.startswith("pip install 'timm>=1.0.")
    assert found("safetensors").text == "is not installed"


def test_a_build_of_torch_with_a_local_version_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, torch=f"{metadata.version('torch')}+cpu")
    assert found("packages").state == "ok"


@pytest.mark.parametrize(
    ("built", "devices", "state", "said"),
    [
        ("13.0", "1", "ok", "NVIDIA H100"),
        (None, "1", "warn", "built without CUDA"),
        ("13.0", "0", "bad", "finds none that it can use"),
    ],
)
def test_the_gpu_and_the_build_of_torch_are_held_against_each_other(
    monkeypatch: pytest.MonkeyPatch, built: str | None, devices: str, state: str, said: str
) -> None:
    answers = {"nvidia-smi": "NVIDIA H100, 81559 MiB, 570.1", sys.executable: f"a warning\n{devices}"}
    monkeypatch.setattr(doctor, "answer", lambda command, patience: answers[command[0]])
    monkeypatch.setattr(doctor, "_cuda_of_torch", lambda: built)
    one = found("device")
    assert one.state == state
    assert said in one.text


def test_the_cuda_of_torch_is_read_from_its_file() -> None:
    import torch

    assert doctor._cuda_of_torch() == torch.version.cuda


def test_more_threads_than_a_container_may_use_are_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert found("threads").state == "ok"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(doctor, "_quota", lambda: 1.5)
    assert (found("threads").state, found("threads").mend) == ("warn", "export OMP_NUM_THREADS=1")


@pytest.mark.parametrize(("text", "processors"), [("max 100000", None), ("150000 100000", 1.5), ("", None)])
def test_the_limit_of_a_container_is_read(tmp_path: Path, text: str, processors: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert QUOTA(tmp_path / "cpu.max") == processors


@pytest.mark.parametrize(("free", "state"), [(FREE, "ok"), (doctor.GIB, "warn"), (1000, "bad")])
def test_a_full_disk_is_seen_before_a_run_meets_it(monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(FREE, FREE - free, free))
    assert {found(name).state for name in ("cache", "working folder", "temporary files")} == {state}


def test_small_shared_memory_names_the_containers_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(64 << 20, 0, FREE))
    assert (found("shared memory").state, "--shm-size" in found("shared memory").mend) == ("warn", True)


def test_a_folder_that_cannot_be_written_is_bad_and_code_then_cannot_be_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(tmp_path)))
    assert found("cache").state == "bad"
    assert found("compiled code").state == "ok"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert (found("compiled code").state, "NUMBA_CACHE_DIR" in found("compiled code").mend) == ("warn", True)


def test_datasets_that_are_there_are_named(tmp_path: Path) -> None:
    root = tmp_path / "data"
    assert found("data", root).state == "warn"
    for name in ("pa100k", "halpe"):
        (root / name).mkdir(parents=True)
        (root / name / "file").touch()
    (root / "mpii").mkdir()  # empty
    one = found("data", root)
    assert one.state == "ok"
    assert "2 datasets" in one.text
    assert "halpe, pa100k; 1 of the 19" in one.text


def test_a_configuration_that_is_wrong_is_bad(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("dataroot = '/x'\n")
    one = found("data")
    assert one.state == "bad"
    assert "config.toml" in one.text


def test_the_hub_is_asked_only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody is there
    (one,) = [finding for finding in doctor.findings(hub=True) if finding.name == "hub"]
    assert one.state == "bad"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (one,) = [finding for finding in doctor.findings(hub=True) if finding.name == "hub"]
    assert one.state == "warn"


def test_nothing_heavy_is_loaded() -> None:
    code = "import sys; from humanbench.doctor import findings; list(findings()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert not {"torch", "pandas", "numba", "scipy", "timm"} & set(done.stdout.split())
