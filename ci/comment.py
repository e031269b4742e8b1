"""Puts a Markdown file into a comment of the pull or merge request a CI job runs for, in place of its earlier one.

`python ci/comment.py FILE`. GitHub: GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_EVENT_PATH and GITHUB_TOKEN, the job
needs `pull-requests: write`. GitLab: CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID and GITLAB_TOKEN (a project
token that may write through the API). The earlier comment is the one that this token's own user wrote and that starts
with the same line: the file's first, and in it the key of the job (HB_KEY), so that two jobs keep two comments. What
anybody else wrote is never changed, whatever it starts with.

A job that may not comment, like one for a fork, or whose connection drops, says so and does not fail.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from key import plain

LONGEST = 60_000
"""Characters of a comment; GitHub takes 65,536."""

PAGE = 100


@dataclass(frozen=True)
class Place:
    """Where comments of a request are listed and made, how one is changed, and the header that allows it.

    `user`: where the service says whose the token is; `author`, `name`: how a comment and that answer name a user;
    `otherwise`: who it is where the service does not say (GitHub's own token of a job may not ask).
    """

    comments: str
    one: str
    update: str
    header: dict[str, str]
    user: str
    author: str
    name: str
    otherwise: str = ""

    def own_name(self) -> str:
        """Whose comments this token writes."""
        try:
            return str((self.call("GET", self.user) or {}).get(self.name) or self.otherwise)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403, 404) and self.otherwise:
                return self.otherwise
            raise

    def call(self, method: str, address: str, content: dict[str, str] | None = None) -> Any:
        """The answer of the service."""
        data = json.dumps(content).encode() if content is not None else None
        headers = self.header | {"Content-Type": "application/json", "Accept": "application/json"}
        request = urllib.request.Request(address, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def existing(self) -> Iterator[dict[str, Any]]:
        """All comments there are."""
        page = 1
        while found := self.call("GET", f"{self.comments}?per_page={PAGE}&page={page}"):
            yield from found
            if len(found) < PAGE:
                return
            page += 1


def place() -> Place | None:
    """The request this job runs for, or None."""
    known = os.environ.get
    if (event := known("GITHUB_EVENT_PATH")) and (token := known("GITHUB_TOKEN")):
        number = json.loads(Path(event).read_text(encoding="utf-8")).get("pull_request", {}).get("number")
        if number is None:
            return None
        issues = f"{known('GITHUB_API_URL', 'https://api.github.com')}/repos/{known('GITHUB_REPOSITORY')}/issues"
        header = {"Authorization": f"Bearer {token}"}
        user = f"{known('GITHUB_API_URL', 'https://api.github.com')}/user"
        comments, one = f"{issues}/{int(number)}/comments", f"{issues}/comments"
        return Place(comments, one, "PATCH", header, user, "user", "login", "github-actions[bot]")
    if (request := known("CI_MERGE_REQUEST_IID")) and (token := known("GITLAB_TOKEN")):
        project = urllib.parse.quote(known("CI_PROJECT_ID", ""), safe="")
        notes = f"{known('CI_API_V4_URL')}/projects/{project}/merge_requests/{int(request)}/notes"
        user = f"{known('CI_API_V4_URL')}/user"
        return Place(notes, notes, "PUT", {"PRIVATE-TOKEN": token}, user, "author", "username")
    return None


def comment(where: Place, text: str) -> str:
    """Change the earlier comment or make one; says which."""
    marker, own = text.splitlines()[0], where.own_name()
    for earlier in where.existing():
        author = (earlier.get(where.author) or {}).get(where.name)
        if own and author == own and str(earlier.get("body", "")).split("\n", 1)[0].rstrip() == marker:
            where.call(where.update, f"{where.one}/{int(earlier['id'])}", {"body": text})
            return "changed"
    where.call("POST", where.comments, {"body": text})
    return "made"


def keyed(text: str, key: str) -> str:
    """The text with the job's key in its marker and its heading."""
    name = plain(key)
    first, *rest = text.split("\n")
    if not name or not first.endswith("-->"):
        return text
    if rest and rest[0].startswith("### "):
        rest[0] += f": {name}"
    return "\n".join([f"{first.removesuffix('-->').rstrip()} {name} -->", *rest])


def main() -> None:
    """Comment, or say why not."""
    text = keyed(Path(sys.argv[1]).read_text(encoding="utf-8"), os.environ.get("HB_KEY", ""))
    if len(text) > LONGEST:
        text = text[: text.rfind("\n", 0, LONGEST)] + "\n\nThe rest is in the job's files."
    try:
        where = place()
        if where is None:
            print("no comment: this job runs for no pull or merge request, or has no token", file=sys.stderr)
            return
        print(f"comment {comment(where, text)}", file=sys.stderr)
    except urllib.error.HTTPError as error:
        print(f"no comment: the service answered {error.code} {error.reason}", file=sys.stderr)
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        why = getattr(error, "reason", "") or error
        print(f"no comment: {' '.join(str(why).split()) or type(error).__name__}", file=sys.stderr)


if __name__ == "__main__":
    main()
