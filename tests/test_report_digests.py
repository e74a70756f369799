"""Tables and figures that are not what the run wrote are named, and made again."""

import pytest

from lstm_gpu import files
from lstm_gpu.errors import InputError
from lstm_gpu.report import digests


@pytest.fixture
def results(tmp_path):
    for name in ("a.csv", "b.json", "counterexamples/c__d.json", "figures/e.svg", "figures/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}")
    listed = {k: v for k, v in digests.of_files(tmp_path).items() if not k.startswith("figures")}
    files.write_json(tmp_path / "manifest.json", "manifest", {"digests": listed})
    digests.list_figures(tmp_path / "figures", ["e.svg", "e.png"])
    return tmp_path


def test_what_the_run_wrote_passes(results):
    digests.check(results)
    assert digests.drop_damaged(results) == []


@pytest.mark.parametrize("name", ["a.csv", "counterexamples/c__d.json", "figures/e.svg"])
@pytest.mark.parametrize("content", ["", "content", "Content of a.csv"])
def test_another_content_is_named_and_dropped(results, name, content):
    (results / name).write_text(content)
    with pytest.raises(InputError, match="does not match its digest") as refusal:
        digests.check(results)
    assert f"`{results / name}`" in str(refusal.value)
    assert digests.drop_damaged(results) == [results / name]
    assert not (results / name).exists()
    with pytest.raises(InputError, match="does not exist"):
        digests.check(results)


def test_only_what_is_asked_for_is_looked_at(results):
    (results / "a.csv").write_text("")
    digests.check(results, only=["b.json"])
    digests.check(results, ["figures/digests.json"])


@pytest.mark.parametrize("name", ["manifest.json", "figures/digests.json"])
def test_a_damaged_list_goes_too(results, name):
    raw = (results / name).read_bytes()
    (results / name).write_bytes(raw[:-9])
    with pytest.raises(InputError, match="truncated or damaged"):
        digests.check(results)
    assert digests.drop_damaged(results) == [results / name]
    assert (results / "a.csv").exists()


@pytest.mark.parametrize("name", ["a b.json", "it's.json", 'q"uote.json', "ünï.json", "50%25.json"])
def test_a_counterexample_may_have_any_plain_name(results, name):
    (results / "counterexamples" / name).write_text("content")
    listed = {k: v for k, v in digests.of_files(results).items() if k.startswith("counter")}
    files.write_json(results / "manifest.json", "manifest", {"digests": listed})
    digests.check(results)
    assert digests.drop_damaged(results) == []


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/passwd", "a/b/c", "..", "", ".hidden", "a/../b", "a\\b", "a\nb", "a/.b"],
)
def test_a_list_names_no_file_of_another_folder(results, name):
    """It is data: what it names may be removed."""
    outside = results.parent / "outside"
    outside.write_text("precious")
    files.write_json(results / "manifest.json", "manifest", {"digests": {name: "0"}})
    with pytest.raises(InputError, match="which no run writes"):
        digests.check(results)
    assert digests.drop_damaged(results) == [results / "manifest.json"]
    assert outside.read_text() == "precious"
