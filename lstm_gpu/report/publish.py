"""Several result files that appear together, or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lstm_gpu.errors import InputError
from lstm_gpu.files import STAGED


@contextmanager
def staged(results: Path) -> Iterator[Path]:
    """Yield an empty folder whose files move into `results` when the block ends well.

    A folder made in it replaces the folder of that name: `*.json` files of an earlier run go,
    whatever else lies there stays. An exception in the block leaves `results` as it was.

    Raises
    ------
    InputError
        `results` cannot be written.
    """
    results = Path(results)
    try:
        results.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=STAGED, dir=results))
    except OSError as error:
        raise _unwritable(results, error) from error
    try:
        yield stage
        try:
            for path in sorted(stage.iterdir()):
                _move(path, results / path.name)
        except OSError as error:
            raise _unwritable(results, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _move(path: Path, target: Path) -> None:
    if not path.is_dir():
        path.replace(target)
        return
    target.mkdir(exist_ok=True)
    names = {file.name for file in path.iterdir()}
    for file in sorted(path.iterdir()):
        file.replace(target / file.name)
    for stale in sorted(target.glob("*.json")):
        if stale.name not in names:
            stale.unlink()


def _unwritable(results: Path, error: OSError) -> InputError:
    return InputError(
        f"`{results}` cannot be written: {error.strerror}. "
        "Free space, correct the permissions or choose another folder."
    )
