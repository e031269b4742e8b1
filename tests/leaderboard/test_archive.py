"""Archives and folders that mean harm: refused before anything of them is unpacked."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from humanbench.leaderboard.submissions.archive import SubmissionError, opened


def zipped(path: Path, members: Mapping[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    """An archive of these members, names twice and all."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # about names that are there already
        for name, content in members.items() if isinstance(members, Mapping) else members:
            archive.writestr(name, content)
    return path


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def refused(path: Path, why: str) -> None:
    with pytest.raises(SubmissionError, match=why), opened(path):
        pass


def test_an_honest_archive_is_a_folder_for_as_long_as_it_is_open(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"manifest.json": b"{}", "predictions/lip/1_2 (3).png": b"png"})
    with opened(path) as folder:
        assert (folder / "predictions/lip/1_2 (3).png").read_bytes() == b"png"
    assert not folder.exists()


def test_what_macos_leaves_in_archives_and_folders_is_passed_over(tmp_path: Path) -> None:
    members = {"manifest.json": b"{}", "__MACOSX/._manifest.json": b"\0", "__MACOSX/": b"", "results/.DS_Store": b"\0"}
    with opened(zipped(tmp_path / "a.zip", members)) as folder:
        assert [p.name for p in folder.rglob("*")] == ["manifest.json"]
    (tmp_path / "b").mkdir()
    for name in ("manifest.json", "._manifest.json", ".DS_Store"):
        (tmp_path / "b" / name).write_text("{}")
    with opened(tmp_path / "b") as folder:
        assert (folder / "manifest.json").is_file()
    (tmp_path / "b" / "._link").symlink_to("/etc/passwd")
    refused(tmp_path / "b", "is a link")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/cron.d/job", "an absolute path"),
        ("C:\\Windows\\a.json", "an absolute path"),
        ("../../.bashrc", "a path outside"),
        ("results/../../a.json", "a path outside"),
        ("results\\..\\..\\a.json", "a path outside"),
        ("results/a\nb.json", "characters"),
        ("results/\u202egnp.json", "characters"),
        ("results//a.json", "characters"),
        ("results/.hidden.json", "characters"),
        ("results/-rf.json", "characters"),
        ("results/" + "a" * 300 + ".json", "too long"),
        ("predictions/" + "d/" * 9 + "a.png", "too deep"),
        ("setup.py", "no part of a submission"),
        ("weights/model.pt", "no part of a submission"),
        ("predictions/a.pkl", "kind of file"),
        ("predictions/a.zip", "kind of file"),
        ("results/a.py", "kind of file"),
    ],
)
def test_names_that_do_not_belong_are_refused(tmp_path: Path, name: str, why: str) -> None:
    refused(zipped(tmp_path / "a.zip", {"manifest.json": b"{}", name: b"x"}), why)
    assert {p.name for p in tmp_path.iterdir()} == {"a.zip"}


@pytest.mark.parametrize("again", ["results/a.json", "results/A.json"])
def test_a_name_twice_is_refused(tmp_path: Path, again: str) -> None:
    refused(zipped(tmp_path / "a.zip", [("results/a.json", b"1"), (again, b"2")]), "twice")


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o666, stat.S_IFCHR | 0o666])
def test_links_and_devices_in_an_archive_are_refused(tmp_path: Path, mode: int) -> None:
    refused(zipped(tmp_path / "a.zip", [(special("results/a.json", mode), b"/etc/passwd")]), "a link or a special file")


def test_a_bomb_is_refused_by_what_it_claims(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"predictions/a.csv": bytes(8 << 20)})
    assert path.stat().st_size < 20_000
    refused(path, "claims to unpack from")


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    """The size in both headers is made small; what comes out is longer."""
    path = zipped(tmp_path / "a.zip", {"predictions/a.csv": bytes(range(256)) * 4096})
    raw = bytearray(path.read_bytes())
    size = (1 << 20).to_bytes(4, "little")
    assert raw.count(size) == 2
    path.write_bytes(bytes(raw).replace(size, (10).to_bytes(4, "little")))
    refused(path, "not a readable zip archive")


def test_a_large_result_and_a_huge_archive_are_refused(tmp_path: Path) -> None:
    refused(zipped(tmp_path / "a.zip", {"results/a.json": os.urandom(17 << 20)}), "at most 16,777,216 are taken")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"results/a.json": b"{}"})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    refused(path, "is encrypted")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + b"\x00" * 40])
def test_what_is_no_archive_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    refused(path, "not a readable zip archive")


def test_a_damaged_archive_is_one_sentence(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"results/a.json": os.urandom(5000)})
    raw = bytearray(path.read_bytes())
    raw[200:260] = bytes(60)
    path.write_bytes(raw)
    refused(path, "not a readable zip archive")


def test_nothing_there_is_one_sentence(tmp_path: Path) -> None:
    refused(tmp_path / "none.zip", "there is no such submission")


def test_links_in_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").symlink_to("/etc/passwd")
    refused(tmp_path, "'results/a.json' is a link")
    (tmp_path / "results" / "a.json").unlink()
    (tmp_path / "predictions").symlink_to("/etc")
    refused(tmp_path, "'predictions' is a link")


def test_a_pipe_in_a_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")
    refused(tmp_path, "neither a file nor a folder")


def test_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("humanbench.leaderboard.submissions.archive._MEMBERS", 50)
    members = {f"predictions/{i}.png": b"" for i in range(51)}
    refused(zipped(tmp_path / "a.zip", members), "more than 50 files")


def test_an_archive_may_hold_its_folders(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.mkdir("results")
        archive.writestr("results/a.json", "{}")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    with opened(tmp_path / "a.zip") as folder:
        assert (folder / "results/a.json").is_file()


def test_archives_with_any_byte_damaged_are_refused_or_whole(tmp_path: Path) -> None:
    """Offsets that point before the file, members that claim to be of another kind of compression ..."""
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("manifest.json", "{}" * 50)
        archive.writestr("results/a.json", "{}" * 500)
    content, broken, refused = whole.read_bytes(), tmp_path / "broken.zip", 0
    for place in range(0, len(content), 2):
        broken.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            with opened(broken):
                pass
        except SubmissionError:
            refused += 1
    assert refused > 60
    for length in range(0, len(content), 7):
        broken.write_bytes(content[length:])
        with contextlib.suppress(SubmissionError), opened(broken):
            pass
