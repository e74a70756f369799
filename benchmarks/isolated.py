"""A part of a benchmark in a process of its own: what breaks there breaks no other part.

On a GPU a fault in one kernel ends all work of its process, and a barrier that not all threads meet
never opens.
"""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Failed(Exception):  # noqa: N818 (what it says is the reason)
    """Why a part has no result, in one line."""


def isolated(function: Callable[..., Any], *arguments: Any, limit: float) -> Any:
    """``function(*arguments)``, in a fresh process that is ended after `limit` seconds.

    Raises
    ------
    Failed
        It raised, it ended early, or it was not done in time.
    """
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(far, function, arguments))
    process.start()
    far.close()
    try:
        if not near.poll(limit):
            raise Failed(f"not done within {limit:g} s")
        reason, result = near.recv()
    except EOFError:
        process.join()
        raise Failed(f"its process ended with exit code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
        near.close()
    if reason:
        raise Failed(reason)
    return result


def _answer(connection: Connection, function: Callable[..., Any], arguments: tuple) -> None:
    try:
        answer = "", function(*arguments)
    except Exception as error:
        traceback.print_exc()
        first = (str(error).splitlines() or [""])[0]
        answer = f"{type(error).__name__}: {first}", None
    connection.send(answer)
