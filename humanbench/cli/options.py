"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

data_root_option: Callable[[Any], Any] = click.option(
    "--data-root",
    metavar="DIR",
    help="Folder with one folder per dataset id.  [default: $HUMANBENCH_DATA or ~/humanbench-data]",
)
json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout and nothing else."
)
