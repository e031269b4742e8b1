"""What CI systems run: the script, the comment, and the files that call them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import pytest
import yaml

from humanbench.cards import load_card
from humanbench.results import read_result, result_files
from tests.engine.toy import FAST, write_datasets
from tests.evaluated import run, write_dataset
from tests.made_runs import write_run

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "ci" / "compare.sh"


def script(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`ci/compare.sh` with these variables and no others of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HB_", "GITHUB_"))}
    return subprocess.run([SCRIPT], cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A toy backbone, a tiny dataset, one epoch."""
    folder = tmp_path_factory.mktemp("ci")
    write_datasets(folder / "data", "pa100k")
    overrides = FAST["attribute"] | {"train.epochs": 1}
    return {
        "HUMANBENCH": f"{sys.executable} -m tests.engine.toy_cli",
        "HUMANBENCH_CACHE": str(folder / "cache"),
        "HB_BACKBONE": "toy",
        "HB_DATA_ROOT": str(folder / "data"),
        "HB_DATASETS": "pa100k",
        "HB_SEEDS": "1",
        "HB_EVAL_ARGS": " ".join(f"--set {k}={v}".replace(", ", ",") for k, v in overrides.items())
        + " --device cpu --workers 0",
        "HB_OUT": str(folder / "out"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }


def test_the_script_evaluates_compares_and_reports(setting: dict[str, str], tmp_path: Path) -> None:
    """Twice the same backbone; then against a base with perfect predictions in place of its own."""
    done = script(setting)
    assert done.returncode == 0, done.stderr
    out = Path(setting["HB_OUT"])
    assert Path(setting["GITHUB_STEP_SUMMARY"]).read_text() == (out / "compare.md").read_text()
    (cell,) = json.loads((out / "compare.json").read_text())["cells"]
    assert (cell["verdict"], cell["difference"], cell["method"]) == ("no difference", 0, "paired")
    (suite,) = ET.fromstring((out / "compare.xml").read_text())
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("1", "0")

    (file,) = result_files(out / "base")
    trained = read_result(file)
    assert trained.provenance is not None
    write_run(
        tmp_path / "perfect", Path(setting["HB_DATA_ROOT"]), ["pa100k"], 0.0,
        cell=trained.cell.model_dump(exclude={"id"}),
        provenance=trained.provenance.model_dump(exclude={"predictions_sha256"}),
    )  # fmt: skip
    gate = run("compare", tmp_path / "perfect", out / "new", "--data-root", setting["HB_DATA_ROOT"], "--gate")
    assert gate.exit_code == 1
    assert "1 regression in 1 cell: pa100k mA" in gate.stderr


FAKE = """#!/bin/sh
echo "$@" >>"$LOG"
case "$1" in eval) exit "$EVAL" ;; esac
exit "$COMPARE"
"""


@pytest.mark.parametrize(
    ("evaluated", "compared", "returned", "calls"),
    [(0, 0, 0, 3), (0, 1, 1, 3), (0, 2, 2, 3), (1, 0, 1, 3), (1, 2, 2, 3), (2, 0, 2, 1), (130, 0, 130, 1)],
)
def test_the_scripts_exit_code(tmp_path: Path, evaluated: int, compared: int, returned: int, calls: int) -> None:
    """A failed cell fails the job after the comparison; wrong input and an interruption end it at once."""
    done, log = with_fake(tmp_path, {"EVAL": str(evaluated), "COMPARE": str(compared)})
    assert (done.returncode, len(log)) == (returned, calls)


def with_fake(
    tmp_path: Path, environment: dict[str, str], written: str = FAKE
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The script with a command in place of humanbench that notes its arguments."""
    fake, log = tmp_path / "fake", tmp_path / "log"
    fake.write_text(written)
    fake.chmod(0o755)
    common = {"HUMANBENCH": str(fake), "LOG": str(log), "HB_BACKBONE": "vit", "HB_OUT": str(tmp_path / "out")}
    done = script(common | environment)
    return done, log.read_text().splitlines() if log.exists() else []


def test_more_seeds_are_trained_where_they_may_decide_and_no_more_than_allowed(tmp_path: Path) -> None:
    """Each look says what is undecided, from the file UNDECIDED, a line a look."""
    looks = tmp_path / "looks"
    looks.write_text("pa100k,mpii\nmpii\n\n")
    fake = FAKE.replace(
        'case "$1"', 'case "$*" in *--undecided) head -n 1 "$LOOKS"; sed -i 1d "$LOOKS"; exit 0 ;; esac\ncase "$1"', 1
    )
    zero = {"EVAL": "0", "COMPARE": "0", "LOOKS": str(looks)}

    def evaluated(**environment: str) -> list[tuple[str, str]]:
        (tmp_path / "log").unlink(missing_ok=True)
        done, log = with_fake(tmp_path, zero | environment, fake)
        assert done.returncode == 0, done.stderr
        found = [re.search(r"--seeds (\d+) --out \S*/(?:new|base)(?: --datasets (\S+))?", line) for line in log]
        return [(one[1], one[2] or "all") for one in found if one]

    first = [("2", "all")] * 2
    assert evaluated(HB_SEEDS="2..6") == [*first, *[("3", "pa100k,mpii")] * 2, *[("4", "mpii")] * 2]
    looks.write_text("mpii\n" * 9)
    assert evaluated(HB_SEEDS="2..3") == [*first, *[("3", "mpii")] * 2]
    assert evaluated(HB_SEEDS="2") == first
    base = tmp_path / "kept"
    base.mkdir()
    assert evaluated(HB_SEEDS="2..3", HB_BASE=str(base)) == [("2", "all"), ("3", "mpii")]
    (tmp_path / "log").unlink()
    wrong = [("HB_SEEDS", text) for text in ("0", "6..2", "2..", "x")] + [("HB_GATE", "False"), ("HB_GATE", "0")]
    for name, text in [*wrong, ("HB_MARGIN", "abc"), ("HB_MARGIN", "-1"), ("HB_DATA_ROOT", "/nowhere")]:
        done, log = with_fake(tmp_path, zero | {name: text}, fake)
        assert (done.returncode, log) == (2, [])  # before anything is evaluated
        assert name in done.stderr


def test_the_scripts_variables_become_arguments(tmp_path: Path) -> None:
    zero = {"EVAL": "0", "COMPARE": "0"}
    out = tmp_path / "out"
    files = " ".join(f"--save {out}/compare.{suffix}" for suffix in ("md", "json", "xml"))
    plain = "eval --backbone {} --protocol head --suite mini --seeds 2 --out {}"
    assert with_fake(tmp_path, zero)[1] == [
        plain.format("vit", out / "new"),
        plain.format("vit", out / "base"),
        f"compare {out}/base {out}/new {files} --gate",
    ]
    (tmp_path / "log").unlink()
    names = {
        "CHECKPOINT": "hf:who/n",
        "BASE_BACKBONE": "old",
        "BASE_CHECKPOINT": str(tmp_path / "b c.pt"),
        "PROTOCOL": "full",
        "SUITE": "s",
    }
    names |= {
        "DATASETS": "a,b",
        "DATA_ROOT": str(tmp_path),
        "SEEDS": "3",
        "MARGIN": "2",
        "GATE": "false",
        "EVAL_ARGS": "--x 1",
    }
    (tmp_path / "b c.pt").touch()
    given = "--protocol full --suite s --seeds 3 --out {} --checkpoint {} --datasets a,b --data-root {} --x 1"
    assert with_fake(tmp_path, zero | {f"HB_{name}": value for name, value in names.items()})[1] == [
        f"eval --backbone vit {given.format(out / 'new', 'hf:who/n', tmp_path)}",
        f"eval --backbone old {given.format(out / 'base', tmp_path / 'b c.pt', tmp_path)}",
        f"compare {out}/base {out}/new --margin 2 --data-root {tmp_path} {files}",
    ]
    (tmp_path / "log").unlink()
    assert with_fake(tmp_path, zero | {"HB_BASE": "main"})[1][-1] == f"compare main {out}/new {files} --gate"
    unnamed, _ = with_fake(tmp_path, zero | {"HB_BACKBONE": ""})
    assert "HB_BACKBONE names the backbone" in unnamed.stderr
    assert unnamed.returncode == 2
    (tmp_path / "file").touch()
    placed, _ = with_fake(tmp_path, zero | {"HB_OUT": str(tmp_path / "file")})
    assert f"compare.sh: HB_OUT={tmp_path / 'file'} cannot be made" in placed.stderr
    assert placed.returncode == 2


def test_a_wrong_base_is_found_before_the_evaluation(tmp_path: Path) -> None:
    done, log = with_fake(tmp_path, {"EVAL": "0", "COMPARE": "2", "HB_BASE": "nosuch"})
    assert done.returncode == 2
    assert log == ["export nosuch --format csv"]


@pytest.mark.parametrize("name", ["HB_CHECKPOINT", "HB_BASE_CHECKPOINT"])
def test_a_missing_checkpoint_is_found_before_anything_is_evaluated(tmp_path: Path, name: str) -> None:
    done, log = with_fake(tmp_path, {"EVAL": "0", "COMPARE": "0", name: "gone.pt"})
    assert (done.returncode, log) == (2, [])
    assert f"{name}=gone.pt: there is no such file" in done.stderr


def test_without_a_base_a_job_can_pass(tmp_path: Path) -> None:
    """It evaluates, so that its run can be the next one's base; the base's own checkpoint is not asked for."""
    given = {"EVAL": "0", "COMPARE": "2", "HB_IF_NO_BASE": "skip", "HB_BASE_CHECKPOINT": "gone.pt"}
    done, log = with_fake(tmp_path, given)
    assert done.returncode == 0
    assert [line.split()[0] for line in log] == ["eval"]
    assert "there is no base, so nothing was compared" in done.stderr
    assert with_fake(tmp_path, given | {"EVAL": "1"})[0].returncode == 1
    assert with_fake(tmp_path, given | {"HB_BASE": "main", "COMPARE": "0"})[1][-1].startswith("compare main")
    wrong, _ = with_fake(tmp_path, given | {"HB_IF_NO_BASE": "maybe"})
    assert (wrong.returncode, "HB_IF_NO_BASE is evaluate or skip; found maybe" in wrong.stderr) == (2, True)


FORGED = "<!-- humanbench compare -->\nno regression, says Eve"
"""Somebody else's comment that begins as the table's does."""


LOUD = """#!/bin/sh
printf 'a\\n::set-env name=PATH::/evil\\n'
"""


def test_no_line_of_the_scripts_log_is_a_command(tmp_path: Path) -> None:
    """On GitHub: commands are stopped before anything is said, by a word that nobody could know, until the end."""
    fake = tmp_path / "fake"
    fake.write_text(LOUD)
    fake.chmod(0o755)
    given = {"HUMANBENCH": str(fake), "HB_BACKBONE": "vit", "HB_OUT": str(tmp_path / "out"), "GITHUB_ACTIONS": "true"}
    for environment in (given, given | {"HB_BACKBONE": ""}):
        lines = script(environment).stdout.splitlines()
        assert lines[0].startswith("::stop-commands::")
        word = lines[0].removeprefix("::stop-commands::")
        assert len(word) == 32
        assert lines[-1] == f"::{word}::"
    assert word not in script(given).stdout


def test_texts_of_a_base_result_stay_on_their_line(tmp_path: Path) -> None:
    """A name with a line break is refused when the result is read, and the sentence about it is one line."""
    write_dataset(load_card("pa100k"), tmp_path / "data")
    write_run(tmp_path / "base", tmp_path / "data", ["pa100k"], 0.0)
    (path,) = result_files(tmp_path / "base")
    document = json.loads(path.read_text())
    for name in ("x\n::error::y", "x\r::error::y", "x\u2028::error::y"):
        path.write_text(json.dumps(document | {"backbone": name}))
        done = run("compare", tmp_path / "base", tmp_path / "base")
        assert done.exit_code == 2
        assert len(done.output.splitlines()) == 1
    odd = tmp_path / "x\n::error::y.json"
    odd.write_text("{")
    assert len(run("export", odd).output.splitlines()) == 1


class Service(ThreadingHTTPServer):
    """As much of the comment services of GitHub and GitLab as a comment needs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments: list[dict[str, Any]] = [{"id": n, "body": "somebody's words"} for n in range(1, 131)]
        self.comments[0] |= {"body": FORGED, "user": {"login": "eve"}, "author": {"username": "eve"}}
        self.calls: list[str] = []
        self.artifacts: list[dict[str, Any]] = []
        self.refuse = False
        self.drop = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def answer(self) -> None:
        path, _, query = self.path.partition("?")
        self.server.calls.append(f"{self.command} {path}")
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "null")
        if self.server.drop:
            self.close_connection = True
            return
        allowed = "secret" in (self.headers["Authorization"] or self.headers["PRIVATE-TOKEN"] or "")
        if self.server.refuse or not allowed:
            self.send_error(403)
            return
        result: Any = {}
        if self.command == "GET" and path == "/user":
            result = {"username": "bot"}  # GitLab's
            if self.headers["Authorization"]:  # GitHub's own token may not ask
                self.send_error(403)
                return
        elif path.endswith("/actions/artifacts"):
            asked = parse_qs(query)
            size, page = int(asked["per_page"][0]), int(asked["page"][0])
            named = [one for one in self.server.artifacts if [one["name"]] == asked["name"]]
            result = {"total_count": len(named), "artifacts": named[(page - 1) * size : page * size]}
        elif self.command == "GET":
            size, page = (int(found) for found in re.findall(r"=(\d+)", query))
            result = self.server.comments[(page - 1) * size : page * size]
        elif self.command == "POST":
            author = {"user": {"login": "github-actions[bot]"}, "author": {"username": "bot"}}
            self.server.comments.append({"id": 870 + len(self.server.comments), **author, **content})
        else:
            self.server.comments[[c["id"] for c in self.server.comments].index(int(path.split("/")[-1]))] |= content
        body = json.dumps(result).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = answer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def tool(name: str, environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """`python ci/NAME ARGUMENTS` with these variables."""
    known = {"PATH": os.environ["PATH"], "no_proxy": "127.0.0.1"}
    command = [sys.executable, str(ROOT / "ci" / name), *map(str, arguments)]
    return subprocess.run(command, env=known | environment, capture_output=True, text=True, check=False, timeout=60)


def comment(path: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`python ci/comment.py PATH` with these variables."""
    return tool("comment.py", environment, path)


def on_github(service: Service, folder: Path) -> dict[str, str]:
    """The variables of a job for a pull request."""
    (folder / "event.json").write_text(json.dumps({"pull_request": {"number": 7}}))
    return {
        "GITHUB_API_URL": service.address, "GITHUB_REPOSITORY": "who/what", "GITHUB_TOKEN": "secret",
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
    }  # fmt: skip


@pytest.mark.parametrize("system", ["github", "gitlab"])
def test_the_table_is_one_comment_that_is_kept_up_to_date(service: Service, tmp_path: Path, system: str) -> None:
    environment = {
        "github": on_github(service, tmp_path),
        "gitlab": {
            "CI_API_V4_URL": service.address, "CI_PROJECT_ID": "who/what", "CI_MERGE_REQUEST_IID": "7",
            "GITLAB_TOKEN": "secret",
        },
    }[system]  # fmt: skip
    notes = "/projects/who%2Fwhat/merge_requests/7/notes"
    expected = {
        "github": ("POST /repos/who/what/issues/7/comments", "PATCH /repos/who/what/issues/comments/1000"),
        "gitlab": (f"POST {notes}", f"PUT {notes}/1000"),
    }[system]  # fmt: skip
    table = tmp_path / "compare.md"
    for number, call in enumerate(expected):
        table.write_text(f"<!-- humanbench compare -->\ntable {number}\n" + "x\n" * 50_000)
        done = comment(table, environment)
        assert done.returncode == 0, done.stderr
        assert service.calls[-1] == call
        assert service.comments[0]["body"] == FORGED
        mine = [c["body"] for c in service.comments[1:] if "humanbench" in c["body"]]
        assert len(mine) == 1
        assert f"table {number}" in mine[0]
        assert len(mine[0]) < 65_536
    service.refuse = True
    refused = comment(table, environment)
    assert (refused.returncode, "the service answered 403" in refused.stderr) == (0, True)
    assert "secret" not in refused.stderr + refused.stdout


def test_two_jobs_keep_two_comments(service: Service, tmp_path: Path) -> None:
    """Also where one key begins as the other, and where a key would end the hidden line."""
    environment, table = on_github(service, tmp_path), tmp_path / "compare.md"
    for number, key in enumerate(("reid", "reid-2", "a --> b", "reid")):
        table.write_text(f"<!-- humanbench compare -->\n### humanbench compare\n\ntable {number}\n")
        assert comment(table, environment | {"HB_KEY": key}).returncode == 0
    written = [c["body"].split("\n") for c in service.comments[130:]]
    assert [(lines[1], lines[3]) for lines in written] == [
        ("### humanbench compare: reid", "table 3"),
        ("### humanbench compare: reid-2", "table 1"),
        ("### humanbench compare: a-b", "table 2"),
    ]
    assert written[2][0] == "<!-- humanbench compare a-b -->"


def test_a_dropped_connection_is_no_comment_and_no_failure(service: Service, tmp_path: Path) -> None:
    environment, table = on_github(service, tmp_path), tmp_path / "compare.md"
    table.write_text("<!-- humanbench compare -->\ntext")
    service.drop = True
    done = comment(table, environment)
    assert (done.returncode, done.stderr.splitlines()) == (
        0,
        ["no comment: Remote end closed connection without response"],
    )
    (tmp_path / "event.json").write_text("{")
    assert comment(table, environment).returncode == 0


def test_the_key_of_a_job() -> None:
    def key(**known: str) -> str:
        return tool("key.py", known).stdout.strip().removeprefix("key=")

    assert key(GITHUB_JOB="poses", HB_MATRIX="null") == "poses"
    assert key(GITHUB_JOB="poses", HB_KEY="pose: a/b") == "pose-a-b"
    cells = [json.dumps({"backbone": "vit small", "more": more}) for more in ({"a": 1}, {"a": 2})]
    one, two = (key(GITHUB_JOB="poses", HB_MATRIX=cell) for cell in cells)
    assert one != two
    assert re.fullmatch("poses-vit-small-[0-9a-f]{8}", one)
    assert len({key(HB_KEY="x" * 100 + end) for end in "ab"}) == 2


def kept(run: int, branch: str = "main", owner: int = 1, expired: bool = False) -> dict[str, Any]:
    """An artifact as the service lists it."""
    made = {"id": run, "head_branch": branch, "repository_id": 1, "head_repository_id": owner}
    return {"name": "humanbench-base-poses", "expired": expired, "workflow_run": made}


def test_the_base_is_the_newest_run_kept_on_the_branch(service: Service, tmp_path: Path) -> None:
    """Not what a fork calls main, nor one that has expired; found beyond the first page."""
    environment = on_github(service, tmp_path) | {"HB_KEY": "poses", "HB_BRANCH": "main"}
    assert tool("base.py", environment).stdout == "run=\n"
    service.artifacts = [kept(900, owner=2), kept(899, expired=True), *(kept(700 + n, "other") for n in range(120))]
    service.artifacts += [{**kept(650), "name": "humanbench-base-reid"}, kept(600), kept(500)]
    done = tool("base.py", environment)
    assert (done.returncode, done.stdout) == (0, "run=600\n"), done.stderr
    service.refuse = True
    refused = tool("base.py", environment)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "the service answered 403 Forbidden; the job needs `permissions: actions: read`" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_without_a_request_or_a_token_nothing_is_commented(tmp_path: Path) -> None:
    (tmp_path / "table.md").write_text("text")
    (tmp_path / "event.json").write_text("{}")
    for environment in ({}, {"GITHUB_EVENT_PATH": str(tmp_path / "event.json"), "GITHUB_TOKEN": "secret"}):
        done = comment(tmp_path / "table.md", environment)
        assert (done.returncode, "no comment: this job runs for no" in done.stderr) == (0, True)


def test_the_action_is_whole() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    steps = action["runs"]["steps"]
    text = (ROOT / "action.yml").read_text()
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(action["inputs"])
    assert all("description" in described for described in action["inputs"].values())
    assert set(re.findall(r"steps\.(\w+)\.outputs", text)) == {step["id"] for step in steps if "id" in step}
    for step in steps:
        assert ("run" in step) != ("uses" in step)
        assert "${{" not in step.get("run", ""), "inputs in a script's text could run as code"
        assert step.get("shell") == "bash" or "uses" in step
    for step in steps:
        given = {name for name in step.get("env", {}) if name.startswith("HB_")}
        scripts = [ROOT / name for name in re.findall(r"\$GITHUB_ACTION_PATH/(ci/[\w.]+)", step.get("run", ""))]
        asked = set(re.findall(r"HB_\w+", step.get("run", "") + "".join(map(Path.read_text, scripts))))
        assert given == asked, step["name"]
    for name in re.findall(r"\$GITHUB_ACTION_PATH/([\w./]+)", text):
        assert (ROOT / name).is_file()
    assert os.access(SCRIPT, os.X_OK)


def test_artifacts_carry_the_jobs_key_and_a_base_is_fetched_as_it_was_kept() -> None:
    steps = {step.get("name"): step for step in yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]}
    keep, fetch, compare = (steps[name] for name in ("Keep the runs", "Fetch the base", "Evaluate and compare"))
    assert keep["with"]["name"] == "${{ steps.compare.outputs.kind }}-${{ steps.key.outputs.key }}"
    assert fetch["with"]["name"] == "humanbench-base-${{ steps.key.outputs.key }}"
    assert "push-passed) kind=humanbench-base ;;" in compare["run"]
    assert steps["Comment"]["env"]["HB_KEY"] == "${{ steps.key.outputs.key }}"
    assert steps["Comment"]["continue-on-error"] is True


def test_the_documented_workflow_has_two_jobs_that_the_action_takes() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)
    workflow, inputs = yaml.safe_load(text), yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    assert set(workflow[True]) == {"pull_request", "push"}  # `on` is true in YAML 1.1
    assert workflow["permissions"] == {"contents": "read", "actions": "read", "pull-requests": "write"}
    assert len(workflow["jobs"]) == 2
    for job in workflow["jobs"].values():
        given = job["steps"][-1]["with"]
        assert set(given) <= set(inputs)
        assert all(load_card(name).evaluation for name in given["datasets"].split(","))


def test_the_gitlab_job_is_whole() -> None:
    job = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text())[".humanbench-compare"]
    read = set(re.findall(r"HB_\w+", SCRIPT.read_text()))
    read |= set(re.findall(r"HB_\w+", "".join([*job["script"], *job["after_script"]])))
    assert {name for name in job["variables"] if name.startswith("HB_")} <= read
    out = job["variables"]["HB_OUT"]
    assert all(
        path.startswith(f"{out}/") for path in [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]]
    )
    for line in [*job["script"], *job["after_script"]]:
        for name in re.findall(r"\.humanbench/(ci/[\w.]+)", line):
            assert (ROOT / name).is_file()
        assert subprocess.run(["bash", "-n", "-c", line], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    assert subprocess.run(["shellcheck", SCRIPT], check=False).returncode == 0
