"""Processes that wait for work, so that neither start-up nor imports are timed.

A worker has one thread for NumPy's BLAS and is told how many torch may use. Several workers given
one task each start together; the task's time is the wall time until the last has answered.
"""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


class Timing(NamedTuple):
    """Wall and processor seconds of one task on all its workers, and what they returned."""

    wall: float
    processor: float
    results: list[Any]


def _cores() -> list[int]:
    """The cores that this process may use; none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _stay_on(cores: Sequence[int]) -> None:
    if cores:
        os.sched_setaffinity(0, cores)


def _serve(connection: Connection) -> None:
    while True:
        task = connection.recv()
        if task is None:
            return
        function, arguments, cores = task
        _stay_on(cores)
        start = time.process_time()
        try:
            result = function(*arguments)
        except Exception:
            result = RuntimeError(traceback.format_exc())
        connection.send((time.process_time() - start, result))


class Workers:
    """A few waiting processes."""

    def __init__(self, count: int) -> None:
        for variable in _THREAD_VARIABLES:
            os.environ[variable] = "1"
        context = multiprocessing.get_context("spawn")
        self._connections, self._processes = [], []
        for _ in range(count):
            near, far = context.Pipe()
            process = context.Process(target=_serve, args=(far,), daemon=True)
            process.start()
            far.close()
            self._connections.append(near)
            self._processes.append(process)

    def run(self, function: Callable[..., Any], arguments: Sequence[tuple]) -> Timing:
        """Run ``function(*arguments[k])`` on worker k, all at the same time.

        Several workers get a core each: a short task is over before a scheduler has moved two
        processes that it woke on one core apart. A single one may use all cores.

        Raises
        ------
        RuntimeError
            A worker raised; its traceback is the message.
        """
        connections = self._connections[: len(arguments)]
        cores = _cores()
        alone = len(arguments) == 1 or not cores
        shares = [cores if alone else [cores[k % len(cores)]] for k in range(len(arguments))]
        start = time.perf_counter()
        for connection, own, share in zip(connections, arguments, shares, strict=True):
            connection.send((function, own, share))
        try:
            answers = [connection.recv() for connection in connections]
        except EOFError as error:
            codes = [process.exitcode for process in self._processes]
            raise RuntimeError(
                f"a worker ended before it answered (exit codes {codes}; out of memory?)"
            ) from error
        wall = time.perf_counter() - start
        for _, result in answers:
            if isinstance(result, RuntimeError):
                raise result
        return Timing(wall, sum(own for own, _ in answers), [result for _, result in answers])

    def close(self) -> None:
        for connection, process in zip(self._connections, self._processes, strict=True):
            with suppress(OSError):  # it may have ended before
                connection.send(None)
            connection.close()
            process.join()


@contextmanager
def workers(count: int):
    """`Workers`, ended when the block ends."""
    pool = Workers(count)
    try:
        yield pool
    finally:
        pool.close()
