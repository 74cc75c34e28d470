"""Mappings of columns as text, and tables inside a source and elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.data.table_settings import (
    TableSettings,
    format_columns,
    parse_columns,
    table_input,
    table_params,
    with_table,
)
from eyecli.errors import DataError, UsageError
from eyecli.sources.source import Source

OURS = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
THEIRS = st.text(min_size=1, max_size=12).map(str.strip).filter(lambda text: text)


@given(st.dictionaries(OURS, THEIRS, max_size=4))
def test_a_mapping_is_read_as_it_was_written(columns: dict[str, str]) -> None:
    """Whatever their names hold: commas, quotes, equals signs, line ends."""
    assert parse_columns(format_columns(columns)) == columns
    assert format_columns(dict(reversed(columns.items()))) == format_columns(columns)


@given(st.text(max_size=30))
def test_any_text_is_a_mapping_or_a_usage_error(text: str) -> None:
    try:
        columns = parse_columns(text)
    except UsageError as error:
        assert error.message.startswith("--columns")
        return
    assert parse_columns(format_columns(columns)) == columns


def test_a_mapping_may_have_spaces_and_quotes() -> None:
    text = ' subject = monkey_id, "target_x=gaze x, px",point=a=b'
    assert parse_columns(text) == {
        "subject": "monkey_id", "target_x": "gaze x, px", "point": "a=b"
    }  # fmt: skip
    assert parse_columns("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject", "'subject' is no pair of names"),
        ("subject=", "'subject=' is no pair of names"),
        ("=id", "'=id' is no pair of names"),
        ("subject=a,,point=b", "'' is no pair of names"),
        ("subject=a,subject=b", "'subject' is there twice"),
        ('"subject=a', "unexpected end of data"),
    ],
)
def test_what_is_no_mapping_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_columns(text)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    for name in ("gaze.csv", "deep/labels.tsv", "a.png"):
        (folder / name).write_text(name)
    digests = {n: hashlib.sha256(n.encode()).hexdigest() for n in ("a.png", "deep/labels.tsv",
                                                                   "gaze.csv")}  # fmt: skip
    return Source(folder, "some", digests)


@pytest.mark.parametrize("name", ["gaze.csv", "deep/labels.tsv", "./gaze.csv"])
def test_a_table_in_the_source_is_named_from_there(source: Source, name: str) -> None:
    for text in (name, str(source.folder / name)):
        found = with_table(source, TableSettings(text))
        assert found.table == name.removeprefix("./") and found.digests == source.digests
        assert table_input(found) == {}


def test_a_path_from_here_into_the_source_is_the_table_of_the_source(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.folder.parent)
    assert with_table(source, TableSettings("data/gaze.csv")).table == "gaze.csv"


def test_a_table_elsewhere_is_an_input_of_its_own(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("one")
    monkeypatch.chdir(tmp_path)
    found = with_table(source, TableSettings("other.csv", "point=b,subject=a", "{eye}_1"))
    assert found.table == str(other) and found.read(str(other)) == b"one"
    assert table_input(found) == {"table": (str(other), hashlib.sha256(b"one").hexdigest())}
    assert table_params(found) == {
        "table": str(other), "columns": "point=b,subject=a", "filename": "{eye}_1"
    }  # fmt: skip
    other.write_text("two")
    changed = with_table(source, TableSettings("other.csv"))
    assert table_input(changed) != table_input(found)
    with pytest.raises(DataError, match=r"other\.csv changed"):
        found.read(str(other))


def test_no_table_is_no_setting(source: Source) -> None:
    found = with_table(source, TableSettings())
    assert found == source and table_input(found) == {}
    assert table_params(found) == {}


@pytest.mark.parametrize("name", ["gaze.cvs", "deep", "/nowhere/gaze.csv"])
def test_a_table_that_is_not_there_is_said_to_be(source: Source, name: str) -> None:
    with pytest.raises(DataError, match=f"--table {name}: no such file") as caught:
        with_table(source, TableSettings(name))
    assert "gaze.csv" in str(caught.value.hint) and "a.png" not in str(caught.value.hint)


def test_patterns_and_mappings_are_checked_before_anything_is_read(source: Source) -> None:
    for settings in (TableSettings(columns="x"), TableSettings(filename="{a}{b}")):
        with pytest.raises(UsageError):
            with_table(source, settings)
