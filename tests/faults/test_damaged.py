"""Result files that were truncated, flipped in a bit, emptied, or come from another run."""

import os
import shutil

import pytest
from workplace import LONG, Workplace

pytestmark = pytest.mark.slow

HOWS = ["truncated", "flipped", "emptied", "foreign"]
KINDS = {
    "shards": "shards/*/**/*.json",
    "ledger": "jobs/*/*.json",
    "table": "*.csv",
    "manifest": "manifest.json",
    "worst entry": "worst_entry.json",
    "counterexample": "counterexamples/*.json",
    "figure": "figures/*.svg",
}


@pytest.fixture(scope="module")
def other(tmp_path_factory, undisturbed) -> Workplace:
    """The same experiment with another seed: whose files are foreign."""
    config = tmp_path_factory.mktemp("other") / "config.yaml"
    config.write_text(undisturbed.config.read_text().replace("seed: 20261123", "seed: 7"))
    place = Workplace(config.parent / "work", config, undisturbed.full)
    code, said = place.run()
    assert code == 0, said
    return place


def damage(path, how, other, chance, keep_time):
    raw, before = path.read_bytes(), path.stat()
    if how == "truncated":
        path.write_bytes(raw[: chance.randrange(len(raw))])
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "flipped":
        at = chance.randrange(len(raw))
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :])
    else:
        shutil.copy(other, path)
    if keep_time:  # as a disk that rots does
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def repaired(place):
    """Run, and do what the error says, until there is none; how often there was one."""
    for count in range(10):
        code, said = place.run()
        if code == 0:
            return count
        assert "Traceback" not in said
        lines = [line for line in said.splitlines() if " failed: error: `" in line]
        assert lines, said
        for line in lines:  # "Delete it"
            assert "elete it" in line, line
            (place.folder / line.split("`")[1]).unlink(missing_ok=True)
    raise AssertionError(said)


@pytest.mark.parametrize("how", HOWS if LONG else ["flipped"])
def test_damaged_files_are_made_again_or_named(how, undisturbed, request, chance, settle, tmp_path):
    """Some of each kind, at once; half of them with the time that they had, as when a disk rots."""
    place = undisturbed.copy(tmp_path / "work")
    other = request.getfixturevalue("other") if how == "foreign" else None
    damaged = 0
    for pattern in KINDS.values():
        paths = sorted(place.results.glob(pattern))
        for path in chance.sample(paths, min(len(paths), 3 if LONG else 1)):
            source = other and other.results / path.relative_to(place.results)
            if source is None or source.exists():
                damage(path, how, source, chance, keep_time=chance.random() < 0.5)
                damaged += 1
    (place.results / "mutants.csv").unlink(missing_ok=True)  # or nobody would read the shards
    refused = repaired(place)
    settle(place, f"damaged file ({how})", damaged, refused)
