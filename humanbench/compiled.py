"""Functions compiled by numba, and where their machine code is kept between two runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar, cast, overload

import numba

from humanbench.errors import HumanbenchError
from humanbench.paths import cache_folder

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = "compiled"
"""Part of `$HUMANBENCH_CACHE` that holds machine code where numba has no place of its own."""


@overload
def compiled(function: F) -> F: ...
@overload
def compiled(*, fastmath: bool = False, unchecked_division: bool = False) -> Callable[[F], F]: ...
def compiled(
    function: F | None = None, *, fastmath: bool = False, unchecked_division: bool = False
) -> F | Callable[[F], F]:
    """Decorator: compile a function of arrays and numbers at its first call for each kind of arguments.

    The code is kept in the first folder of these that can be written to: `$NUMBA_CACHE_DIR`, `__pycache__` beside the
    source, numba's folder of the user, `$HUMANBENCH_CACHE/compiled`. Where none can (a container whose file system is
    read-only), every run compiles anew, which costs it some seconds. So it is where kept code cannot be read, as when
    it names a class that an older version had, and where a disk is full. Compiled functions let other threads run. With
    `unchecked_division` a division by zero gives infinity or `nan`, as in arrays, and no error: so several are made at
    once.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "fastmath": fastmath,
        "error_model": "numpy" if unchecked_division else "python",
    }

    def decorate(function: F) -> F:
        cached = _kept(function, options) or _kept(function, options, _last_resort())
        return cached or cast(F, numba.njit(**options)(function))

    return decorate if function is None else decorate(function)


def _last_resort() -> str | None:
    try:
        return str(cache_folder() / FOLDER)
    except HumanbenchError:  # a user without a home
        return None


def _kept(function: F, options: Mapping[str, Any], folder: str | None = None) -> F | None:
    """The function with its code kept in the folder, else where numba keeps it; None where that cannot be written."""
    settings: Any = numba.config
    default = settings.CACHE_DIR
    settings.CACHE_DIR = folder or default
    try:
        return cast(F, _forgiving(numba.njit(cache=True, **options)(function)))
    except RuntimeError as error:  # numba looks for a place when it is told to keep the code, not when it does
        if "cannot cache" not in str(error):
            raise
        return None
    finally:
        settings.CACHE_DIR = default


def _forgiving(dispatcher: Any) -> Any:
    """The compiled function, for which kept code that cannot be read or written is no error but code to compile."""
    cache = dispatcher._cache
    load, save = cache.load_overload, cache.save_overload

    def load_overload(*given: Any) -> Any:
        try:
            return load(*given)
        except Exception:  # a pickle of another version can fail in any way
            with suppress(Exception):
                cache.flush()  # else nothing could be kept in its place
            return None

    def save_overload(*given: Any) -> None:
        with suppress(OSError):
            save(*given)

    cache.load_overload, cache.save_overload = load_overload, save_overload
    return dispatcher
