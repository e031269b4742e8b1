"""Prints `key=…` for $GITHUB_OUTPUT: what sets the comment and the artifacts of this job apart from those of others.

`HB_KEY` where it is given; else the job's id (`GITHUB_JOB`), and in a matrix (`HB_MATRIX`, JSON) the values of this job
and a hash of them, since all jobs of a matrix have one id. A key is of letters, digits, `.`, `_` and single `-`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys

LONGEST = 80
"""Characters of a key."""


def key(given: str, job: str, matrix: str) -> str:
    """The key of a job."""
    if given.strip():
        return plain(given)
    values = json.loads(matrix or "null") or {}
    if not values:
        return plain(job)
    told = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    named = plain("-".join([job, *(str(v) for v in values.values() if isinstance(v, str | int | float))]))
    return f"{named[: LONGEST - 9].rstrip('-')}-{told}"


def plain(text: str) -> str:
    """The text as a key: what a hidden line of a comment and the name of an artifact can hold."""
    kept = re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "-", text)).strip("-")
    if len(kept) <= LONGEST:
        return kept
    return f"{kept[: LONGEST - 9].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def main() -> None:
    """Print the key of this job."""
    known = os.environ.get
    print(f"key={key(known('HB_KEY', ''), known('GITHUB_JOB', ''), known('HB_MATRIX', ''))}")


if __name__ == "__main__":
    sys.exit(main())
