"""What Tab suggests: verbs, options, choices, ids of datasets."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete, get_completion_class

from humanbench.cards import cards
from humanbench.cli import _VERBS, main


def suggested(*words: str) -> set[str]:
    """Suggestions for the last word, which is begun."""
    complete = ShellComplete(main, {}, "humanbench", "_HUMANBENCH_COMPLETE")
    return {item.value for item in complete.get_completions(list(words[:-1]), words[-1])}


def test_verbs_and_options_are_suggested() -> None:
    assert suggested("") >= set(_VERBS)
    assert suggested("leader") == {"leaderboard"}
    assert suggested("datasets", "sho") == {"show"}
    assert "--predictions" in suggested("score", "--pre")
    assert suggested("eval", "--cluster", "") == {"slurm", "local"}


@pytest.mark.parametrize(
    "words", [("datasets", "show"), ("datasets", "verify", "mpii"), ("datasets", "download"), ("score",)]
)
def test_ids_of_datasets_are_suggested(words: tuple[str, ...]) -> None:
    assert suggested(*words, "") == set(cards())
    assert suggested(*words, "market") == {"market1501", "market1501_attribute"}
    assert suggested(*words, "market*") == suggested(*words, "market")
    assert suggested(*words, "../") == set(cards())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_of_the_page_has_a_script(shell: str) -> None:
    kind = get_completion_class(shell)
    assert kind is not None
    assert f"_HUMANBENCH_COMPLETE={shell}_complete" in kind(main, {}, "humanbench", "_HUMANBENCH_COMPLETE").source()


def test_tab_loads_nothing_heavy() -> None:
    code = (
        "import sys; from click.shell_completion import ShellComplete; from humanbench.cli import main\n"
        "complete = ShellComplete(main, {}, 'humanbench', '_HUMANBENCH_COMPLETE')\n"
        "assert complete.get_completions(['datasets', 'show'], 'mpi')\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert not {"torch", "pandas", "numpy", "pydantic"} & set(done.stdout.split())
