"""The page: one file, verdicts first, what others wrote escaped, every link with a target."""

import math
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml
from report_run import finished, make, written

from lstm_gpu import configuration, files
from lstm_gpu.claims.registry import CLAIMS
from lstm_gpu.errors import InputError
from lstm_gpu.report import figures, findings, page, tables
from lstm_gpu.sphere import laws

VOID = {"meta", "link", "img", "br", "input", "hr", "mspace"}
HOSTILE = "<script>alert('x')</script>&\"'"


class Outline(HTMLParser):
    """Ids, links, tags and the balance of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.ids, self.links, self.sources, self.tags = [], [], [], []
        self.open, self.stray = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        self.sources += [values["src"]] if "src" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.stray.append(tag)


def least(node):
    """The least value that the schema allows, of a list the first entry alone."""
    if node.get("type") == "object":
        return {name: least(inner) for name, inner in node["properties"].items()}
    if node.get("type") == "array":
        return [least(node["items"])]
    inner = {**node, **node.get("else", {})}
    return inner["enum"][0] if "enum" in inner else inner.get("const", inner.get("minimum"))


@pytest.mark.slow
def test_a_run_of_the_least_numbers_of_the_schema_and_the_last_seed_has_its_page(tmp_path):
    schema = yaml.safe_load(configuration.SCHEMA.read_text())
    del schema["properties"]["formulas"]
    config = least(schema) | {"backend": "numpy", "seed": schema["properties"]["seed"]["maximum"]}
    config["false_alarm_risk"] = configuration.LEAST_RISK
    assert config["sphere"] == {"weight_sets": 1, "directions": 1}  # they were found
    config = configuration.validate(config)
    paths = []
    for kind, name, content in make(config):
        files.write_json(tmp_path / name, kind, content)
        paths.append(tmp_path / name)
    tables.aggregate(paths, config, tmp_path)
    figures.draw(tmp_path)
    page.write(tmp_path)
    assert f"<dd>{2**64 - 1}</dd>" in (tmp_path / "report.html").read_text()


@pytest.fixture
def results(tmp_path):
    shutil.copytree(finished(), tmp_path / "results", ignore=shutil.ignore_patterns("shards"))
    return tmp_path / "results"


def change(results, name, **columns):
    """Overwrite columns of a table, from the second row on with the old values."""
    frame = pd.read_csv(results / name, keep_default_na=False)
    for column, value in columns.items():
        frame[column] = frame[column].astype(object)
        frame.loc[0, column] = value
    frame.to_csv(results / name, index=False)


def test_the_same_bytes_twice(results):
    assert written(results) == written(results)


def test_it_is_well_formed(results):
    outline = Outline(written(results))
    assert not outline.stray
    assert not outline.open
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.tags.count("h1") == 1


def test_it_needs_no_network_and_no_script(results):
    text = written(results)
    outline = Outline(text)
    assert "script" not in outline.tags
    assert all(source.startswith("data:") for source in outline.sources)
    assert not re.search(r"url\(|@import", text)
    assert not [link for link in outline.links if "://" in link]


def test_every_link_has_its_target(results):
    outline = Outline(written(results))
    for link in outline.links:
        if link.startswith("#"):
            assert link[1:] in outline.ids, link
        else:
            assert (results / link).is_file(), link


def test_verdicts_come_first_with_all_readings_typeset(results):
    text = written(results)
    assert text.index('class="verdicts"') < text.index('id="reading"') < text.index("<figure")
    head = text[: text.index('id="reading"')]
    assert head.count("<math") == sum(len(claim.readings) for claim in CLAIMS)
    assert "\\" not in "".join(re.findall(r"<math.*?</math>", text, re.DOTALL))
    for claim in CLAIMS:
        for reading in claim.readings:
            assert f'id="{claim.id}--{reading.name}"' in text


def test_the_first_sentence_sums_up(results):
    text = written(results)
    first = re.search(r'<p class="summary">(.*?)</p>', text, re.DOTALL)[1]
    assert first.startswith("16 of 22 readings supported, 6 refuted, 0 inconclusive; 32 weight")
    assert "every one of 127 wrong formulas caught" in first
    assert "no false alarm" in first


def test_a_false_alarm_is_not_hidden(results):
    change(results, "verdicts.csv", verdict="refuted", counterexample="")
    text = written(results)
    assert "1 false alarm; not as expected: cell state independence / as written" in text
    assert 'class="summary alarm"' in text
    assert "reading unexpected" in text


def test_a_reading_that_ought_to_be_refuted_and_is_not_is_said(results):
    frame = pd.read_csv(results / "verdicts.csv", keep_default_na=False)
    frame.loc[frame["reading"] == "column_scaling", "verdict"] = "supported"
    frame.to_csv(results / "verdicts.csv", index=False)
    text = written(results)
    assert "no false alarm, but not as expected: forget gate jacobian / column scaling" in text


def test_mutants_that_pass_are_named(results):
    frame = pd.read_csv(results / "mutants.csv", keep_default_na=False)
    frame.loc[frame["mutant"] == "all_zero", "caught"] = "no"
    frame.to_csv(results / "mutants.csv", index=False)
    text = written(results)
    row = text[text.index('id="hidden_jacobian--as_written"') :]
    assert "missed: all zero</strong>" in row[: row.index("</tr>")]
    assert "passed everywhere</strong>" in text
    assert '<span class="name">all zero</span>' in text


def test_a_sampler_off_its_law_is_said(results):
    change(results, "alignment.csv", ks_distance="0.9", ks_threshold="0.5")
    assert "in 1 case the random directions miss their exact law" in written(results)


def test_counterexamples_stand_on_the_page(results):
    text = written(results)
    for path in (results / "counterexamples").iterdir():
        it = files.read_json(path, "counterexample")
        assert f"python -m lstm_gpu replay results/counterexamples/{path.name}" in text
        for name in ("claimed", "measured", "bound"):
            assert f"<code>{it[name]!r}</code>" in text
            assert it["hex"][name] in text or name == "bound"


def test_what_others_wrote_is_escaped(results):
    change(results, "mutants.csv", seen=HOSTILE, family=HOSTILE, caught="no")
    change(results, "cases.csv", reason=HOSTILE, verdict="inconclusive")
    change(results, "alignment.csv", certificate=HOSTILE)
    path = next((results / "counterexamples").iterdir())
    it = files.read_json(path, "counterexample")
    it["reference"] = it["claimed"] = it["likely_cause"] = HOSTILE
    it["parts"] = {"part": HOSTILE}
    files.write_json(path, "counterexample", it)
    manifest = files.read_json(results / "manifest.json", "manifest")
    manifest["devices"] = [{"backend": HOSTILE, "device": HOSTILE}]
    manifest["versions"][HOSTILE] = HOSTILE
    manifest["weights_digests"] = {HOSTILE: HOSTILE}
    files.write_json(results / "manifest.json", "manifest", manifest)
    text = written(results)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "script" not in Outline(text).tags


@pytest.mark.parametrize(
    "name", ["verdicts.csv", "manifest.json", "figures/ladder.svg", "ladder.csv"]
)
def test_a_missing_file_is_one_line_and_leaves_the_old_page(results, name):
    (results / "report.html").write_text("the old page")
    (results / name).unlink()
    with pytest.raises(InputError) as caught:
        page.write(results)
    assert "\n" not in str(caught.value)
    assert (results / "report.html").read_text() == "the old page"


def test_a_damaged_counterexample_is_one_line(results):
    path = next((results / "counterexamples").iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=path.name):
        page.write(results)


def test_undecided_cases_are_counted_with_their_reason():
    cases = pd.DataFrame(
        {
            "claim": ["a", "a", "b"],
            "reading": ["x", "x", "y"],
            "verdict": ["inconclusive", "inconclusive", "supported"],
            "reason": ["too wide", "too wide", ""],
        }
    )
    assert findings.undecided(cases) == [
        {"reason": "too wide", "cases": 2, "readings": "a / x (2)"}
    ]


def test_what_would_have_been_caught_is_the_median_over_cases():
    cases = pd.DataFrame(
        {
            "claim": ["a"] * 4 + ["b"],
            "reading": ["x"] * 5,
            "verdict": ["supported", "supported", "supported", "inconclusive", "supported"],
            "dtype": ["float64", "float64", "float64", "float32", None],
            "smallest_detectable": [1e-30, 2e-12, 3e-3, float("inf"), 0.0],
        }
    )
    found = findings.detectable(cases)
    assert found["a", "x"] == "2.0×10⁻¹² in float64, nothing in float32"
    assert found["b", "x"] == "any difference"


def test_a_refuted_reading_has_no_size_that_would_have_been_caught():
    cases = pd.DataFrame(
        {
            "claim": ["a"] * 2,
            "reading": ["x"] * 2,
            "verdict": ["supported", "refuted"],
            "dtype": ["float64"] * 2,
            "smallest_detectable": [1e-9, 1e-9],
        }
    )
    assert findings.detectable(cases) == {("a", "x"): "–"}


def test_ladders_say_why_they_could_not_decide():
    """By verdict and reason; each ladder once, whatever its number of steps."""
    place = {"hidden_size": 1, "input_size": 1, "dtype": "float64", "distribution": "d"}
    ladders = [("supported", "both seen"), ("inconclusive", "flat"), ("inconclusive", "flat")]
    table = pd.DataFrame(
        {**place, "regime": f"r{k}", "formula": formula, "reference": "central", "step": step,
         "verdict": verdict, "reason": reason}
        for k, (verdict, reason) in enumerate(ladders)
        for formula in ("hidden_jacobian", "off_by_1_percent")
        for step in (0.5, 0.25)
    )  # fmt: skip
    assert findings.ladders(table) == {"supported": {"both seen": 1}, "inconclusive": {"flat": 2}}


def sphere_table(thresholds, distances=None, bounds=None):
    count = len(thresholds)
    return pd.DataFrame(
        {
            "hidden_size": 3, "dtype": "float64", "samples": 10, "cap_samples": 0,
            "samples_above_claimed_maximum": 0, "best_cosine_median": 0.9,
            "expected_best_cosine_median": 0.9, "rows_without_argmax": 0, "certificate": "yes",
            "power_by_sampling_degrees": 1.0, "power_by_caps_degrees": 1.0,
            "power_by_identity_degrees": 1.0, "ks_threshold": thresholds,
            "ks_distance": distances or [0.1] * count, "power_by_law": [math.nan] * count,
            "ascent_bound_degrees": bounds or [1e-6] * count,
        }
    )  # fmt: skip


def test_cases_that_cannot_fail_do_not_count_as_cases_that_did_not():
    """A distance of places in (0, 1) is at most 1: above a threshold of 1.5 it never is."""
    (row,) = findings.sphere(sphere_table([0.78, 0.78, 1.5], [0.1, 0.8, 0.9]))
    assert row["off"] == "1 of 2; 1 cannot fail"
    (row,) = findings.sphere(sphere_table([0.78, 0.78]))
    assert row["off"] == "0 of 2"


def test_an_ascent_bound_of_180_degrees_is_called_vacuous():
    (row,) = findings.sphere(sphere_table([0.78] * 2, bounds=[180.000005, 1e-6]))
    assert row["ascent"] == "1.0×10⁻⁶; vacuous (180) in 1 case"
    (row,) = findings.sphere(sphere_table([0.78] * 2))
    assert row["ascent"] == "1.0×10⁻⁶"


def test_the_law_is_tested_over_all_weight_sets_together():
    even = (np.arange(1920) + 0.5) / 1920
    alignment = sphere_table([0.78] * 3)
    law = findings.law_of_the_best(alignment, pd.DataFrame({"best_law": even}), 1e-6)
    assert (law["sets"], law["off"], law["cases"], law["cases_with_power"]) == (1920, False, 3, 0)
    assert law["power"] == laws.ks_power(1920, 1e-6) < 0.1
    # What it is sure to notice it notices, also where chance is against it.
    factor = law["factor"]
    shifted = even ** (1 / (factor * 1.01))
    away = findings.law_of_the_best(alignment, pd.DataFrame({"best_law": shifted}), 1e-6)
    assert away["off"]
    few = findings.law_of_the_best(alignment, pd.DataFrame({"best_law": [0.5] * 9}), 1e-6)
    assert (few["power"], few["factor"], few["off"]) == (None, None, False)
    none = findings.law_of_the_best(alignment, pd.DataFrame({"best_law": [math.nan]}), 1e-6)
    assert (none["sets"], none["off"]) == (0, False)
