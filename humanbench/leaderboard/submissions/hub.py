"""`submit --push hf:ORG/REPO`: a pull request on a dataset repository of the hub."""

from __future__ import annotations

import re
from pathlib import Path

from humanbench.errors import HumanbenchError
from humanbench.hashing import file_sha256
from humanbench.leaderboard.submissions.bundle import submission_id
from humanbench.leaderboard.submissions.manifest import read_manifest

_PLACE = re.compile(r"hf:([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)")

_PATIENCE = 10.0
"""Seconds in which the hub has to answer first."""


class PushError(HumanbenchError):
    """A submission could not be offered to a repository."""


def repository(place: str) -> str:
    """`ORG/REPO` of `hf:ORG/REPO`; `PushError` for anything else."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise PushError(f"--push takes hf:ORG/REPO, a dataset repository of the hub; found {place!r}")
    return match[1]


def push(folder: Path, place: str) -> str:
    """Offer a gathered submission as a pull request; its address.

    The token is the hub's own: `$HF_TOKEN`, or what `hf auth login` has stored. It is never printed. Raises `PushError`
    in one sentence for whatever the hub answers.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    name = repository(place)
    token = get_token()
    if token is None:
        raise PushError("there is no token of the hub: set HF_TOKEN or run `hf auth login`")
    api = HfApi(token=token)
    try:
        api.repo_info(name, repo_type="dataset", timeout=_PATIENCE)  # once; the rest is tried for half a minute
        manifest = read_manifest(folder)
        key = submission_id(manifest.name, file_sha256(folder / "manifest.json"))
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        commit = api.create_commit(
            name,
            [CommitOperationAdd(f"submissions/{key}/{p.relative_to(folder).as_posix()}", str(p)) for p in files],
            repo_type="dataset",
            create_pr=True,
            commit_message=f"Submission {key}",
            commit_description=f"{manifest.name}\n\nMade by humanbench {manifest.humanbench}.",
        )
    except HumanbenchError:
        raise
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        raise PushError(f"{place}: the hub answers {status} ({_reason(status)})") from None
    except Exception as error:  # the client and its transport raise many kinds where there is no network
        raise PushError(f"{place}: the hub cannot be reached ({_without(str(error), token)})") from None
    return str(commit.pr_url or commit.commit_url)


def _reason(status: int | None) -> str:
    return {
        401: "the token is not valid",
        403: "the token may not open pull requests here",
        404: "there is no such dataset repository, or the token may not see it",
        413: "the submission is too large",
    }.get(status or 0, "see https://status.huggingface.co")


def _without(text: str, token: str) -> str:
    return " ".join(text.replace(token, "…").split())[:300]
