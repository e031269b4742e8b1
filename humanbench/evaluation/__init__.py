"""Evaluation: a request becomes a plan of cells, and a plan becomes results.

`request` names every argument; `plan` checks them and says which cells there are, before anything is computed; `run`
computes the cells one after another; `cluster` sends them as jobs; `estimate` says what they cost. How one cell is
computed is the engine's (`humanbench.engine.cell`), which knows nothing of requests.
"""

from __future__ import annotations

from humanbench.evaluation.run import evaluate

__all__ = ["evaluate"]
