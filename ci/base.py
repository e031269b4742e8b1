"""Finds the base of a pull request on GitHub: the newest run that kept one, on the branch that the request goes to.

`python ci/base.py` prints `run=ID` for $GITHUB_OUTPUT, `run=` where no run has kept one. Variables: HB_KEY (the job's
key), HB_BRANCH, GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN (`actions: read`). Runs of forks do not count, whatever
their branches are called. Exit code 2, with one sentence, where the service cannot be asked: without an answer the
base is unknown, and another one would give another verdict.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

PAGE = 100

PAUSES = (0.0, 1.0, 3.0)
"""Seconds before each try."""


def artifact(key: str) -> str:
    """What the artifact is called in which a job keeps a base."""
    return f"humanbench-base-{key}"


def listed(api: str, repository: str, name: str, token: str) -> Iterator[dict[str, Any]]:
    """The artifacts of this name, the newest first."""
    page = 1
    while True:
        query = urllib.parse.urlencode({"name": name, "per_page": PAGE, "page": page})
        found = _answer(f"{api}/repos/{repository}/actions/artifacts?{query}", token).get("artifacts", [])
        yield from found
        if len(found) < PAGE:
            return
        page += 1


def _answer(address: str, token: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    for pause in PAUSES:
        time.sleep(pause)
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            if error.code < 500 or pause == PAUSES[-1]:
                raise
        except (OSError, http.client.HTTPException):
            if pause == PAUSES[-1]:
                raise
    raise AssertionError("the last try returns or raises")


def newest(artifacts: Iterator[dict[str, Any]], branch: str) -> str:
    """The id of the run whose artifact is the base; empty if there is none."""
    for one in artifacts:
        run = one.get("workflow_run") or {}
        own = run.get("repository_id") is not None and run.get("repository_id") == run.get("head_repository_id")
        if own and run.get("head_branch") == branch and not one.get("expired"):
            return str(int(run["id"]))
    return ""


def main() -> int:
    """Print the run, or say why none can be found."""
    known = os.environ.get
    api, repository = known("GITHUB_API_URL", "https://api.github.com"), known("GITHUB_REPOSITORY", "")
    branch, name = known("HB_BRANCH", ""), artifact(known("HB_KEY", ""))
    try:
        run = newest(listed(api, repository, name, known("GITHUB_TOKEN", "")), branch)
    except urllib.error.HTTPError as error:
        mend = "; the job needs `permissions: actions: read`" if error.code in (401, 403, 404) else ""
        return _unknown(f"the service answered {error.code} {error.reason}{mend}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _unknown(str(getattr(error, "reason", "") or error) or type(error).__name__)
    print(f"run={run}")
    found = f"run {run} has it" if run else "no run has kept one yet (a push to the branch does)"
    print(f"base {name} of {branch}: {found}", file=sys.stderr)
    return 0


def _unknown(why: str) -> int:
    print(f"base.py: it cannot be found out which run is the base: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
