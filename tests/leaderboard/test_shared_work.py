"""Work that two processes share: every piece is done, errors arrive, and one process does the same."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from humanbench.leaderboard.site import shared_work
from humanbench.leaderboard.site.shared_work import do_all


def write(path: Path) -> None:
    path.write_text(str(os.getpid()))


def wait_for(path: Path, then: Path) -> None:
    """Ends when the other process has done its piece."""
    write(then)
    for _ in range(1000):
        if path.exists():
            return
        threading.Event().wait(0.01)
    raise TimeoutError(f"{path}: never written")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_work, "_can_copy", lambda: hasattr(os, "fork"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be copied on this system")
def test_two_processes_do_every_piece_once(tmp_path: Path, two_cores: None) -> None:
    """The first two pieces wait for each other, which one process alone would do for ever."""
    first, second = tmp_path / "first", tmp_path / "second"
    rest = [tmp_path / str(number) for number in range(20)]
    do_all(
        [partial(wait_for, second, first), partial(wait_for, first, second), *(partial(write, p) for p in rest)], True
    )
    assert all(path.exists() for path in rest)
    assert len({path.read_text() for path in (first, second)}) == 2


@pytest.mark.parametrize("two", [True, False])
def test_the_error_of_a_piece_arrives(tmp_path: Path, two_cores: None, two: bool) -> None:
    """Also one of the copy: the piece fails in whichever process takes it."""

    def fail() -> None:
        raise ValueError("cannot be written")

    pieces: list[Callable[[], None]] = [partial(write, tmp_path / str(number)) for number in range(20)]
    with pytest.raises(ValueError, match="cannot be written"):
        do_all([*pieces, fail, *pieces], two)


def test_what_ends_in_the_copy_alone_is_done_again(tmp_path: Path, two_cores: None) -> None:
    here, done = os.getpid(), tmp_path / "done"

    def fail_elsewhere(other: Path, own: Path) -> None:
        own.touch()
        if os.getpid() != here:
            raise MemoryError
        for _ in range(1000):
            if other.exists():
                break
            threading.Event().wait(0.01)
        done.write_text(done.read_text() + own.name if done.exists() else own.name)

    a, b = tmp_path / "a", tmp_path / "b"
    do_all([partial(fail_elsewhere, b, a), partial(fail_elsewhere, a, b)], True)
    assert done.read_text().endswith("ab")


def test_beside_other_threads_no_process_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was copied"))
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, args=(60,))
    thread.start()
    try:
        do_all([partial(write, tmp_path / "a")], True)
    finally:
        stop.set()
        thread.join(60)
    assert (tmp_path / "a").exists()
