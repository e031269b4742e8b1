"""humanbench: benchmark suite and leaderboard harness for human-centric vision backbones.

The public API is imported lazily, so `import humanbench` loads neither torch nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from humanbench._version import __version__ as __version__

_API = {
    "compare": "humanbench.comparison:compare",
    "evaluate": "humanbench.evaluation:evaluate",
    "load_backbone": "humanbench.backbones.loading:load_backbone",
    "load_card": "humanbench.cards:load_card",
    "load_finetuned": "humanbench.evaluation.finetuned:load_finetuned",
    "load_results": "humanbench.results:load_results",
    "load_samples": "humanbench.data.samples:load_samples",
    "score": "humanbench.scoring:score",
    "subgroups": "humanbench.by_group:subgroups",
}

if TYPE_CHECKING:
    from humanbench.backbones.loading import load_backbone as load_backbone
    from humanbench.by_group import subgroups as subgroups
    from humanbench.cards import load_card as load_card
    from humanbench.comparison import compare as compare
    from humanbench.data.samples import load_samples as load_samples
    from humanbench.evaluation import evaluate as evaluate
    from humanbench.evaluation.finetuned import load_finetuned as load_finetuned
    from humanbench.results import load_results as load_results
    from humanbench.scoring import score as score

__all__ = [
    "__version__", "compare", "evaluate", "load_backbone", "load_card", "load_finetuned", "load_results",
    "load_samples", "score", "subgroups",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'humanbench' has no attribute {name!r}")
    module, attribute = _API[name].split(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_API])
