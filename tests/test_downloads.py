"""`humanbench datasets download` against a server here: it goes on, it checks, it unpacks nothing outside."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from humanbench.cards import Access, DatasetCard, RemoteFile, cards, load_card
from humanbench.cli import main
from humanbench.data import archives, downloads, fetching
from humanbench.data.archives import unpack
from humanbench.data.downloads import download, files_of
from humanbench.data.fetching import Sums, fetch
from humanbench.data_root import DataRoot
from humanbench.errors import CardError, DataError

BODY = bytes(range(256)) * 4000


@dataclass
class Served:
    """How the server answers: what it has, how much of an answer it sends before it drops the connection."""

    body: bytes = BODY
    drop_after: list[int] = field(default_factory=list)
    ranges: bool = True
    tag: str = '"one"'
    kind: str = "application/octet-stream"
    fails: list[int] = field(default_factory=list)
    length: int | None = None
    asked: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        how = self.server.how
        how.asked.append(self.headers.get("Range"))
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
            return
        if how.fails:
            self.send_error(how.fails.pop(0))
            return
        start = 0
        asked = self.headers.get("Range")
        if asked and how.ranges and self.headers.get("If-Range", how.tag) == how.tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(how.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(how.body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(how.body) - 1}/{len(how.body)}")
        else:
            self.send_response(200)
        rest = how.body[start:]
        self.send_header("Content-Type", how.kind)
        self.send_header("Content-Length", str(len(rest) if how.length is None else how.length))
        self.send_header("ETag", how.tag)
        self.end_headers()
        self.wfile.write(rest[: how.drop_after.pop(0)] if how.drop_after else rest)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.how = Served()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: who has seen enough hangs up."""

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(fetching, "WAIT", 0.0)
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(10)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def card_with(*files: RemoteFile, whole: bool = True) -> DatasetCard:
    """A card of an open dataset with these files."""
    card = load_card("pa100k")
    return card.model_copy(update={"access": Access(kind="open", how="here", files=files, whole=whole)})


# One file


def test_an_interrupted_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.how.drop_after = [100_000, 50_000]
    content = fetch(server.address("a.bin"), tmp_path / "a.bin", Sums(len(BODY), sha256(BODY)))
    assert server.how.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert (content.bytes, content.sha256) == (len(BODY), sha256(BODY))
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_later_call_goes_on_too(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TRIES", 1)
    server.how.drop_after = [100_000]
    with pytest.raises(DataError, match="ended after 100,000 bytes; the same command goes on"):
        fetch(server.address("a.bin"), tmp_path / "a.bin", Sums())
    assert not (tmp_path / "a.bin").exists()
    fetch(server.address("a.bin"), tmp_path / "a.bin", Sums())
    assert server.how.asked[-1] == "bytes=100000-"
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_file_that_was_replaced_meanwhile_is_fetched_from_its_beginning(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TRIES", 1)
    server.how.drop_after = [100_000]
    with pytest.raises(DataError):
        fetch(server.address("a.bin"), tmp_path / "a.bin", Sums())
    server.how.body, server.how.tag = BODY[::-1], '"two"'
    fetch(server.address("a.bin"), tmp_path / "a.bin", Sums())
    assert (tmp_path / "a.bin").read_bytes() == BODY[::-1]


def test_a_server_that_cannot_go_on_begins_again(server: Server, tmp_path: Path) -> None:
    server.how.ranges, server.how.drop_after = False, [100_000]
    fetch(server.address("a.bin"), tmp_path / "a.bin", Sums())
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_part_that_is_whole_needs_nothing_more(server: Server, tmp_path: Path) -> None:
    """A process was killed between the last byte and the rename."""
    (tmp_path / "a.bin.part").write_bytes(BODY)
    note = {"url": server.address("a.bin"), "validator": server.how.tag}
    (tmp_path / "a.bin.part.json").write_text(json.dumps(note))
    fetch(server.address("a.bin"), tmp_path / "a.bin", Sums())
    assert server.how.asked == [f"bytes={len(BODY)}-"]
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_server_out_of_breath_is_asked_again_and_not_for_ever(server: Server, tmp_path: Path) -> None:
    server.how.fails = [503, 503]
    fetch(server.address("a.bin"), tmp_path / "a.bin", Sums())
    server.how.fails = [503] * 99
    with pytest.raises(DataError, match="answers 503"):
        fetch(server.address("b.bin"), tmp_path / "b.bin", Sums())
    assert len(server.how.fails) == 99 - fetching.TRIES


@pytest.mark.parametrize(
    ("changes", "known", "message"),
    [
        ({}, Sums(sha256="0" * 64), "has the sha256"),
        ({}, Sums(md5="0" * 32), "has the md5"),
        ({}, Sums(bytes=7), "instead of 7; it is another one"),
        ({"fails": [404]}, Sums(), "answers 404"),
        ({"kind": "text/html"}, Sums(), "gives a web page"),
        ({"body": b"<!DOCTYPE html><p>sign in"}, Sums(), "gives a web page"),
        ({"length": len(BODY) * 1000, "ranges": False}, Sums(), "the connection ended after"),
    ],
)
def test_what_is_not_the_file_is_one_sentence_and_never_there(
    server: Server, tmp_path: Path, changes: dict[str, Any], known: Sums, message: str
) -> None:
    for name, value in changes.items():
        setattr(server.how, name, value)
    with pytest.raises(DataError, match=message):
        fetch(server.address("a.bin"), tmp_path / "a.bin", known)
    assert not (tmp_path / "a.bin").exists()


def test_more_than_is_expected_is_not_written(server: Server, tmp_path: Path) -> None:
    """Without a length in the answer a server could fill the disk."""
    with pytest.raises(DataError, match="more comes than the 10 bytes"):
        fetching._copy("x", io.BytesIO(BODY), io.BytesIO(), 10, lambda *a: None)


def test_a_full_disk_is_seen_before_anything_is_fetched(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=1000))
    with pytest.raises(DataError, match="has room for 1,000"):
        fetch(server.address("a.bin"), tmp_path / "a.bin", Sums())


def test_an_address_that_leads_to_a_local_file_is_not_followed(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not allowed"):
        fetch(server.address("moved"), tmp_path / "a.bin", Sums())
    assert not (tmp_path / "a.bin").exists()


def test_an_encrypted_address_that_leads_to_an_open_one_is_not_followed() -> None:
    asked = urllib.request.Request("https://a.example/x")
    with pytest.raises(DataError, match="no address that is followed"):
        fetching._Redirects().redirect_request(asked, None, 302, "Found", {}, "http://a.example/x")


def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be reached"):
        fetch("http://127.0.0.1:9/a.bin", tmp_path / "a.bin", Sums())


# Archives


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def linked_zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        info = zipfile.ZipInfo("a")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return made.getvalue()


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


HARM: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "zip above": ("a.zip", lambda: zipped({"../up": b"x"}), "out of its folder"),
    "zip absolute": ("a.zip", lambda: zipped({"/etc/up": b"x"}), "out of its folder"),
    "zip backslashes": ("a.zip", lambda: zipped({"..\\up": b"x"}), "out of its folder"),
    "zip link": ("a.zip", linked_zip, "link or a special file"),
    "zip bomb": ("a.zip", lambda: zipped({"a": bytes(archives.FLOOR + 1)}), "times its size"),
    "zip cut": ("a.zip", lambda: cut(zipped({"a": BODY})), "damaged, cut"),
    "tar above": ("a.tgz", lambda: tar_of((member("x/../../up"), b"x")), "out of its folder"),
    "tar absolute": ("a.tar.gz", lambda: tar_of((member("/up"), b"x")), "out of its folder"),
    "tar symbolic link": ("a.tgz", lambda: tar_of((member("l", tarfile.SYMTYPE, "/etc"), b"")), "link or a special"),
    "tar hard link": ("a.tgz", lambda: tar_of((member("l", tarfile.LNKTYPE, "/etc/x"), b"")), "link or a special"),
    "tar device": ("a.tgz", lambda: tar_of((member("l", tarfile.CHRTYPE), b"")), "link or a special"),
    "tar twice": ("a.tgz", lambda: tar_of((member("a"), b"1"), (member("./a"), b"2")), "twice"),
    "tar cut": ("a.tgz", lambda: cut(tar_of((member("a"), BODY))), "damaged, cut"),
    "nothing": ("a.zip", lambda: zipped({}), "holds no file"),
    "no archive": ("a.zip", lambda: b"hello", "damaged, cut"),
}


@pytest.mark.parametrize("case", HARM)
def test_an_archive_that_could_do_harm_leaves_nothing(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "FLOOR", 1 << 20)
    name, made, message = HARM[case]
    (tmp_path / name).write_bytes(made())
    with pytest.raises(DataError, match=message):
        unpack(tmp_path / name, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "into"])


def test_archives_that_fill_the_disk_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a": BODY}))
    real = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=(64 << 20) + 1000))
    with pytest.raises(DataError, match="more than the 1,000 bytes"):
        unpack(tmp_path / "a.zip", tmp_path / "into")


def test_archives_that_share_a_folder_are_merged(tmp_path: Path) -> None:
    for name, files in {"a.zip": {"x/1": b"1", "__MACOSX/x/._1": b""}, "b.zip": {"x/2": b"2", "x/1": b"new"}}.items():
        (tmp_path / name).write_bytes(zipped(files))
        assert unpack(tmp_path / name, tmp_path / "into") == ["x"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "into" / "x").iterdir()} == {"1": b"new", "2": b"2"}


# Datasets


def test_files_come_to_their_places_and_what_was_unknown_is_recorded(server: Server, tmp_path: Path) -> None:
    card = card_with(RemoteFile(to="annotation/annotation.mat", url=server.address("x.mat")))
    root = DataRoot(tmp_path / "data")
    (first,) = download(card, root, files_of(card))
    assert first.path == tmp_path / "data" / "pa100k" / "annotation" / "annotation.mat"
    assert (first.sha256, first.was_there) == (sha256(BODY), False)
    (second,) = download(card, root, files_of(card))
    assert second.was_there
    assert len(server.how.asked) == 1
    first.path.write_bytes(b"damaged")
    server.how.body = BODY[::-1]
    with pytest.raises(DataError, match=r"fetched\.json holds what came the first time, remove it"):
        list(download(card, root, files_of(card)))
    server.how.body = BODY
    assert [one.was_there for one in download(card, root, files_of(card))] == [False]
    assert first.path.read_bytes() == BODY


def test_an_archive_is_unpacked_once_and_again_when_its_content_is_gone(server: Server, tmp_path: Path) -> None:
    server.how.body = zipped({"data/000001.jpg": b"picture"})
    card = card_with(
        RemoteFile(to="data.zip", url=server.address("data.zip"), unpack=True, sha256=sha256(server.how.body))
    )
    root = DataRoot(tmp_path)
    assert [one.was_there for one in download(card, root, files_of(card))] == [False]
    assert (tmp_path / "pa100k" / "data" / "000001.jpg").read_bytes() == b"picture"
    assert not list((tmp_path / downloads.STATE).rglob("*.zip"))
    assert [one.was_there for one in download(card, root, files_of(card))] == [True]
    shutil.rmtree(tmp_path / "pa100k" / "data")
    assert [one.was_there for one in download(card, root, files_of(card))] == [False]


def test_a_download_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    card = card_with(RemoteFile(to="a.txt", url="http://127.0.0.1:9/a.txt"))
    with pytest.raises(DataError, match="cannot be reached"):
        list(download(card, DataRoot(tmp_path / "data"), card.access.files))
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_fetch_the_same(tmp_path: Path, server: Server) -> None:
    card = card_with(RemoteFile(to="a", url=server.address("a")))
    (tmp_path / downloads.STATE / "pa100k").mkdir(parents=True)
    with downloads._alone(tmp_path / downloads.STATE / "pa100k"), pytest.raises(DataError, match="another process"):
        list(download(card, DataRoot(tmp_path), files_of(card)))


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["datasets", "download", *args])


def test_a_dataset_behind_an_agreement_says_what_to_do(tmp_path: Path) -> None:
    done = run("msmt17", "--data-root", str(tmp_path))
    assert done.exit_code == 2
    assert "after an agreement: send the signed release agreement" in done.stderr
    assert load_card("msmt17").homepage in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_open_dataset_without_a_known_address_says_what_to_do(tmp_path: Path) -> None:
    done = run("pa100k", "--data-root", str(tmp_path))
    assert done.exit_code == 2
    assert "no address of its files is known for certain" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_was_given_by_hand_is_unpacked_where_it_belongs(tmp_path: Path, server: Server) -> None:
    (tmp_path / "mine.zip").write_bytes(zipped({"MSMT17_V1/list.txt": b"x"}))
    server.how.body = b"a list"
    at = (
        "--data-root",
        str(tmp_path / "data"),
        "--from",
        str(tmp_path / "mine.zip"),
        "--from",
        server.address("more.txt"),
    )
    done = run("msmt17", *at, "--json")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "data" / "msmt17" / "MSMT17_V1" / "list.txt").is_file()
    assert (tmp_path / "data" / "msmt17" / "more.txt").read_bytes() == b"a list"
    assert (tmp_path / "mine.zip").is_file()
    assert [file["was_there"] for file in json.loads(done.stdout)["files"]] == [False, False]
    assert run("msmt17", "--from", str(tmp_path / "none.zip")).exit_code == 2
    assert "names no file" in run("msmt17", "--from", "https://example.org/").stderr


def test_an_archive_that_is_given_again_is_unpacked_where_it_is_another_one(tmp_path: Path) -> None:
    card, root = load_card("msmt17"), DataRoot(tmp_path / "data")
    given = [str(tmp_path / "mine.zip")]
    for content, was_there in ((b"1", False), (b"1", True), (b"2", False)):
        (tmp_path / "mine.zip").write_bytes(zipped({"list.txt": content}))
        assert [one.was_there for one in download(card, root, files_of(card, given))] == [was_there]
        assert (tmp_path / "data" / "msmt17" / "list.txt").read_bytes() == content


def test_a_rest_that_is_to_be_fetched_by_hand_ends_with_1(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cards(), "pa100k", card_with(RemoteFile(to="a", url=server.address("a")), whole=False))
    done = run("pa100k", "--data-root", str(tmp_path))
    assert done.exit_code == 1
    assert "the rest is to be fetched by hand" in done.stderr
    assert "licence of pa100k: CC BY 4.0" in done.stderr


@pytest.mark.parametrize("name", sorted(card.id for card in cards().values() if card.access.files))
def test_every_file_of_a_card_says_where_it_is_known_from(name: str) -> None:
    done = run(name, "--dry-run")
    assert done.exit_code == 0
    for file in load_card(name).access.files:
        assert file.source
        assert file.url in done.stdout
        assert (file.sha256 or file.md5 or "sums unknown") in done.stdout


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"to": "../a", "url": "https://a.b/c"}, "to"),
        ({"to": "/a", "url": "https://a.b/c"}, "to"),
        ({"to": "a", "url": "file:///etc/passwd"}, "https"),
        ({"to": "a", "url": "https://a.b/c", "sha256": "abc"}, "sha256"),
    ],
)
def test_a_card_with_a_wrong_file_is_one_sentence(file: dict[str, str], message: str, tmp_path: Path) -> None:
    from humanbench.cards import parse_card

    text = (Path(__file__).resolve().parents[1] / "datasets" / "pa100k.toml").read_text(encoding="utf-8")
    lines = "\n".join(f'{key} = "{value}"' for key, value in file.items())
    (tmp_path / "pa100k.toml").write_text(text.replace("[reader]\n", f"[[access.files]]\n{lines}\n\n[reader]\n"))
    with pytest.raises(CardError, match=message):
        parse_card(tmp_path / "pa100k.toml")
