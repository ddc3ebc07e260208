"""Reads what is needed next while the step before it runs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Ahead(Generic[K, T]):
    """A function of one key whose values are worked out before they are asked for, in one thread,
    in the order they were announced; the thread lives as long as the `with` block. What was not
    announced is worked out when asked for, so that values never depend on it.
    """

    def __init__(self, function: Callable[[K], T]) -> None:
        self._function = function
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: dict[K, Future[T]] = {}

    def __enter__(self) -> Ahead[K, T]:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
        self._thread = None
        self._waiting.clear()

    def announce(self, key: K) -> None:
        """Say that the value of this key will be asked for, once."""
        if self._thread is not None and key not in self._waiting:
            self._waiting[key] = self._thread.submit(self._function, key)

    def __call__(self, key: K) -> T:
        """The value. Raises what the function raises."""
        future = self._waiting.pop(key, None)
        return self._function(key) if future is None else future.result()
