"""Counts what the faults did: injected, lost, different. FAULTS=long has the full numbers."""

import random
from collections import Counter
from pathlib import Path

import pytest
from workplace import LONG, Workplace

SEED = 20261128
NAMES = ("injected", "refused", "lost", "differing")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Workplace:
    """A folder in which the experiment was run without any fault."""
    place = Workplace(tmp_path_factory.mktemp("undisturbed") / "work", full=LONG)
    code, said = place.run()
    assert code == 0, said
    return place


@pytest.fixture
def place(tmp_path) -> Workplace:
    """An empty folder."""
    return Workplace(tmp_path / "work")


@pytest.fixture
def chance(request) -> random.Random:
    """The same random moments and places in every run of a test."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def settle(undisturbed, record_property):
    """Run again after faults: the tables must have the bytes of the undisturbed run."""

    def settled(
        place: Workplace, kind: str, injected: int = 1, refused: int = 0, wanted=undisturbed
    ) -> None:
        code, said = place.run()
        right, found = wanted.digests(full=place.full), place.digests()
        differing = [name for name in {*right, *found} if right.get(name) != found.get(name)]
        counts = (injected, refused, int(code != 0), len(differing))
        record_property("fault", [kind, *counts])
        assert code == 0, said
        assert not differing, differing

    return settled


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the figures; in the long form keep them, too."""
    kinds: dict[str, Counter] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, value in report.user_properties:
                    if name == "fault":
                        counts = dict(zip(NAMES, value[1:], strict=True))
                        kinds.setdefault(value[0], Counter()).update(counts)
    if not kinds:
        return
    total: Counter = sum(kinds.values(), Counter())
    for kind, counts in [*sorted(kinds.items()), ("all", total)]:
        words = ", ".join(f"{counts[name]} {name}" for name in NAMES)
        terminalreporter.write_line(f"faults: {kind}: {words}")
    if LONG:  # kinds that this run has not tried keep their figures
        from benchmarks import machine
        from lstm_gpu.files import read_json, write_json

        path = Path(__file__).parents[2] / "benchmarks/results" / f"faults-{machine.name()}.json"
        known = read_json(path, "faults")["kinds"] if path.exists() else {}
        known |= {kind: {name: counts[name] for name in NAMES} for kind, counts in kinds.items()}
        totals = {name: sum(counts[name] for counts in known.values()) for name in NAMES}
        record = {"machine": machine.describe(), "seed": SEED, "kinds": known, "all": totals}
        write_json(path, "faults", record)
