"""Snakemake that asks every second how its jobs are, for `python -m snakemake`.

The executor's plugin waits ten seconds longer after each question that finds no job finished, and
Snakemake ends only after the last of these waits: no option shortens them.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _a_second(_: RemoteExecutor) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = _a_second

if __name__ == "__main__":
    main()
