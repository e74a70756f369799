"""What the CUDA kernels are to reach, beside what a record of `benchmarks.gpu` says."""

from collections.abc import Callable
from typing import Any

Record = dict[str, Any]
Reached = dict[str, float]  # by what it was measured at


def _sizes(value: Callable[[Record], float | None]) -> Callable[[Record], Reached]:
    """A value of each row, by hidden size and dtype; of the rows that have it."""

    def of(record: Record) -> Reached:
        found = {f"n = {r['hidden_size']} {r['dtype']}": value(r) for r in record["checks"]}
        return {name: number for name, number in found.items() if number is not None}

    return of


def _share(row: Record) -> float | None:
    return 1 / row["over_floor"] if row["over_floor"] and 16 <= row["hidden_size"] <= 512 else None


def _times(name: str, processes: int = 1) -> Callable[[Record], Reached]:
    """How many times as long others take; `processes` of theirs at once, at best."""
    return _sizes(lambda row: row[name] / processes / row["seconds"] if row.get(name) else None)


def _sphere(record: Record) -> Reached:
    """Multiply-adds for w·h and d·h, of what the matrix units reach, here or in cuBLAS."""
    rate = max((record["rates"] or {}).get("mma_float64", 0.0), record["dgemm"] or 0.0)
    if not rate or not record["sphere"]:
        return {}
    return {"n = 128": 2 * record["sphere"]["products_per_second"] / rate}


def _sigmoid(record: Record) -> Reached:
    return {"all": record["sigmoid"]["forms"]} if record["sigmoid"] else {}


# What, the number wanted, whether less is better, and what was reached.
TARGETS: tuple[tuple[str, float, bool, Callable[[Record], Reached]], ...] = (
    ("share of the check's floor, n = 16 … 512", 0.5, False, _sizes(_share)),
    ("times as fast as NumPy on two cores", 100, False, _times("numpy", 2)),
    ("times as fast as torch.func on this GPU", 30, False, _times("torch_func")),
    ("times as fast as gradcheck on this GPU", 1e5, False, _times("gradcheck")),
    ("seconds for sigma' of all 2^32 values of float32", 2, True, _sigmoid),
    ("share of the float64 matrix rate in the sphere search", 0.5, False, _sphere),
)


def targets(record: Record) -> list[Record]:
    """Each target with what was reached, where that was least, and whether it is met everywhere.

    `met` is None where nothing was measured.
    """
    found = []
    for what, wanted, less, of in TARGETS:
        reached = of(record)
        worst = (max if less else min)(reached, key=lambda at: reached[at], default=None)
        met = None
        if worst is not None:
            met = reached[worst] <= wanted if less else reached[worst] >= wanted
        found.append(
            {"target": what, "wanted": wanted, "reached": reached, "worst_at": worst, "met": met}
        )
    return found


def line(target: Record) -> str:
    """One line: what, wanted, the worst that was reached, and the verdict."""
    verdict = {True: "met", False: "missed", None: "not measured"}[target["met"]]
    at = target["worst_at"]
    reached = "" if at is None else f"{target['reached'][at]:.3g} at {at}, "
    return f"{target['target']}: wanted {target['wanted']:g}, {reached}{verdict}"
