"""Work on several threads: in order, the first error, once whatever is loaded at a first call."""

from __future__ import annotations

import threading

import pytest

from humanbench import threads
from humanbench.threads import in_threads


@pytest.mark.parametrize("count", [1, 3])
def test_results_and_the_first_error_come_in_order(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: count)
    callers: dict[int, str] = {}

    def inverse(number: int) -> float:
        callers[number] = threading.current_thread().name
        return 60 / number

    numbers = list(range(1, 200))
    assert list(in_threads(inverse, numbers)) == [60 / n for n in numbers]
    assert callers[1] == threading.current_thread().name
    assert (callers[2] == callers[1]) == (count == 1)
    found = in_threads(inverse, [3, 2, 0, 1, 0])
    assert [next(found), next(found)] == [20, 30]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert list(in_threads(inverse, [])) == []
