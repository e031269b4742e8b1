#!/usr/bin/env bash
# `pytest -n 2 --dist loadgroup` no longer keeps the tests of an xdist_group in one process, without a word.
#
# Input: a file of six tests, all marked @pytest.mark.xdist_group("one"); each test writes down which worker ran it.
# Seen, with the versions below:
#   pytest 9.1.1 with pytest-xdist 3.8.0   one worker runs all six; the report names them test_1@one and so on
#   pytest 9.2.0 with pytest-xdist 3.8.0   both workers run some; the report names them test_1, with no @one
# pytest-xdist marks a group by writing to the private attribute `_nodeid` of each test; since 9.2 pytest keeps a test's
# name in another attribute, so the write succeeds and changes nothing. Both packages allow the combination. A fixture
# of module scope that such a group was to share is made once in every worker.
# The script ends with 0 as long as that is so, and with 1 when it is otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat > "$folder/test_group.py" <<'PY'
import os
import time
from pathlib import Path

import pytest


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(6))
def test(number):
    time.sleep(0.3)  # long enough for an idle worker to take the next one
    (Path(__file__).parent / f"ran.{number}").write_text(os.environ["PYTEST_XDIST_WORKER"])
PY
status=0
for case in 9.1.1:1 9.2.0:2; do
    version=${case%:*} expected=${case#*:}
    "$folder/venv/bin/pip" install --quiet "pytest==$version" pytest-xdist==3.8.0
    rm -f "$folder"/ran.*
    (cd "$folder" && venv/bin/python -m pytest -q -n 2 --dist loadgroup -p no:cacheprovider test_group.py > log.txt)
    seen=$(cat "$folder"/ran.* | sed 's/gw/\ngw/g' | sort -u | grep -c gw)
    echo "pytest $version: the group ran in $seen worker(s)"
    [ "$seen" = "$expected" ] || status=1
done
exit $status
