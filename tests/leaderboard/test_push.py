"""`submit --push`, against a server on the loopback interface that speaks what huggingface_hub asks of the hub."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from humanbench.cards import load_card
from humanbench.leaderboard.submissions.archive import opened
from humanbench.leaderboard.submissions.hub import PushError, push, repository
from humanbench.leaderboard.submissions.rescore import check_submission
from tests.evaluated import write_dataset
from tests.leaderboard.honest import write_honest_run

TOKEN = "hf_SecretSecretSecretSecretSecretSec"


class Hub(ThreadingHTTPServer):
    """What was asked, and with which answer to the commit."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self.commit: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.asked.append(("POST", self.path))
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.status != 200:
            self._answer(self.server.status, {"error": f"no, not with {TOKEN}"})
        elif self.path.startswith("/api/validate-yaml"):
            self._answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self._answer(
                200, {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
            )
        elif "/commit/" in self.path:
            self.server.commit = [json.loads(line) for line in body.splitlines()]
            place = self.path.partition("/commit/")[0].removeprefix("/api/")
            address = f"{self.server.address}/{place}"
            about = {"commitUrl": f"{address}/commit/{'a' * 40}", "commitOid": "a" * 40}
            self._answer(200, about | {"pullRequestUrl": f"{address}/discussions/7"})
        else:
            self._answer(404, {"error": "unknown"})

    def do_GET(self) -> None:
        self.server.asked.append(("GET", self.path))
        self._answer(200, {"name": "someone", "id": "org/board", "sha": "b" * 40})

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run and its data."""
    place = tmp_path_factory.mktemp("push")
    write_dataset(load_card("shanghaitech_a"), place / "data")
    return write_honest_run(place / "run", place / "data", ["shanghaitech_a"]), place / "data"


def submit(
    made: tuple[Path, Path], hub: Hub, home: Path, token: str | None = TOKEN
) -> subprocess.CompletedProcess[str]:
    """`humanbench submit RUN --push` in a process that takes the server for the hub."""
    run, data = made
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment |= {"HF_TOKEN": token} if token else {}
    command = [
        sys.executable,
        "-m",
        "humanbench",
        "submit",
        str(run),
        "--data-root",
        str(data),
        "--push",
        "hf:org/board",
    ]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=home, timeout=120)


def test_a_pull_request_with_every_file(made: tuple[Path, Path], hub: Hub, tmp_path: Path) -> None:
    done = submit(made, hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"pull request: {hub.address}/datasets/org/board/discussions/7" in done.stdout
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert TOKEN not in done.stdout + done.stderr
    (commit,) = [path for _, path in hub.asked if "/commit/" in path]
    assert commit == "/api/datasets/org/board/commit/main?create_pr=1"
    head, *files = hub.commit
    assert head["value"]["summary"].startswith("Submission mae-vitb-head-")
    key = head["value"]["summary"].removeprefix("Submission ")
    for file in files:  # what arrived is a submission that passes the check
        path = tmp_path / file["value"]["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(file["value"]["content"]))
    with opened(tmp_path / "submissions" / key) as folder:
        assert check_submission(folder, made[1]).ok


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "the token is not valid"), (403, "may not open pull requests"), (404, "no such dataset repository")],
)
def test_a_refusal_is_one_sentence_without_the_token(
    made: tuple[Path, Path], hub: Hub, tmp_path: Path, status: int, said: str
) -> None:
    hub.status = status
    done = submit(made, hub, tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_without_a_token_nothing_is_sent(made: tuple[Path, Path], hub: Hub, tmp_path: Path) -> None:
    done = submit(made, hub, tmp_path, token=None)
    assert done.returncode == 2
    assert "set HF_TOKEN or run" in done.stderr
    assert hub.asked == []


def test_offline_is_one_sentence_and_nothing_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(seconds: float) -> None:
        raise AssertionError(f"it waits {seconds} s to try again")

    monkeypatch.setattr("time.sleep", waits)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(PushError, match=r"^hf:org/board: the hub cannot be reached \(.+\)$") as told:
        push(tmp_path, "hf:org/board")
    assert TOKEN not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("place", ["org/board", "hf:board", "hf:../..", "https://hub/org/board", "hf:a/b/c"])
def test_a_place_is_hf_org_repo(place: str) -> None:
    with pytest.raises(PushError, match="takes hf:ORG/REPO"):
        repository(place)
