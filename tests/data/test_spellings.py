"""One person under two spellings, and people whose ids are merely near."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.data.plan import SplitSettings, plan_split
from eyecli.data.spellings import spelling_key, spelt_differently
from eyecli.data.split import Split
from eyecli.errors import CheckError

ids = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("é", "e\u0301"), ("1", "1.0"), ("7", "007"), ("S001", "s001"), ("s1", "S01"),
        ("\uff11", "1"), ("ﬁ", "FI"), ("straße", "STRASSE"), ("a  b", "A b"), ("0", "000.0"),
        ("p1_s02", "P01_S2"),
    ],
)  # fmt: skip
def test_the_same_in_other_words(one: str, other: str) -> None:
    assert spelling_key(one) == spelling_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "2"), ("1.1", "1.10"), ("1.5", "1.05"), ("10", "1"), ("s1", "s10"), ("100000", "1e5"),
        ("a1", "a-1"), ("o", "ö"), ("10.0", "1"), ("0", ""),
    ],
)  # fmt: skip
def test_others_stay_others(one: str, other: str) -> None:
    assert spelling_key(one) != spelling_key(other)


@given(ids, st.sampled_from(("NFC", "NFD", "NFKC", "NFKD")))
def test_forms_and_case_change_nothing(text: str, form: str) -> None:
    key = spelling_key(text)
    assert spelling_key(unicodedata.normalize(form, text)) == key  # type: ignore[arg-type]
    assert spelling_key(text.casefold()) == key and spelling_key(key) == key


def test_every_further_spelling_is_paired_with_the_first() -> None:
    subjects = ["s1", "s2", "S1", "s1", "s01", "S1", "", ""]
    assert spelt_differently(subjects) == [(0, 2), (0, 4)]


def test_names_of_sources_are_no_spelling() -> None:
    subjects, sources = ["A/s1", "a/s1", "A/S1"], ["A", "a", "A"]
    assert spelt_differently(subjects, sources) == [(0, 2)]


def plan(reason: str | None = None, group: str = "subject") -> Split:
    people = ["ann", "bob", "Ann", "cho", "dee", "eli"]
    settings = SplitSettings(group=group, unsafe_split=reason)  # type: ignore[arg-type]
    files = [[f"f{n}"] for n in range(6)]
    where = [f"t.csv: row {n + 2}" for n in range(6)]
    return plan_split([f"i{n}" for n in range(6)], people, files, settings, where=where)


def test_they_are_refused_with_rows_and_without_names() -> None:
    with pytest.raises(CheckError, match=r"^1 pairs .*: t\.csv: row 2 ~ row 4$") as caught:
        plan()
    assert caught.value.exit_code == 4 and "nn" not in caught.value.message
    assert "--unsafe-split" in str(caught.value.hint)


def test_with_a_reason_they_are_two_and_every_report_says_so() -> None:
    split = plan("two sisters")
    assert split.subject_independent is False
    assert str(split.reason).endswith("Unicode form only: two sisters")
    plan(group="none")
