"""Several sources as one data set: every sample once, nobody merged or parted by accident."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.arrays import ArraySpec
from eyecli.data.fields import Layout
from eyecli.data.plan import SplitSettings
from eyecli.data.prepare import check_source, prepare
from eyecli.data.prepared import open_prepared, read_split
from eyecli.data.raw import Raw, Read
from eyecli.data.split import parts_of
from eyecli.data.split_stage import require_fit, split_prepared
from eyecli.data.unite import UniteSettings, find_samples
from eyecli.errors import CheckError, DataError, UsageError
from eyecli.sources.source import Source, fetch_path
from eyecli.workspace.splits import chosen_split
from eyecli.workspace.store import Artifact, families, open_workspace

LAYOUTS = {"numbers": ("gaze", Layout("numbers", lambda names: True, ()))}
SAME, DISTINCT = UniteSettings(same_subjects=True), UniteSettings(distinct_subjects=True)
LOGO = SplitSettings("leave-one-group-out")


@dataclass(frozen=True)
class Settings:
    """A task's settings."""

    unit: str = "px"


def read_raw(source: Source, settings: Settings) -> Raw:
    """Files ``<subject>_<n>[_<part>].txt`` of one number; the id is the row's number."""
    names = list(source.digests)

    def convert(position: int, read: Read) -> dict[str, np.ndarray]:
        return {"number": np.array([float(read(names[position]))], np.float32)}

    table: list[dict[str, Any]] = [
        {"sample": f"row{n}", "subject": name.split("_")[0], "session": "", "grade": n % 2}
        for n, name in enumerate(names)
    ]
    if source.split_column == "set":
        for row, name in zip(table, names, strict=True):
            row["set"] = name.removesuffix(".txt").split("_")[2]
    setup = {"unit": settings.unit, "folder": source.layout}
    specs = {"number": ArraySpec((1,), "float32")}
    return Raw(table, [[name] for name in names], specs, convert, setup)


def write(folder: Path, numbers: dict[str, float]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, number in numbers.items():
        (folder / f"{name}.txt").write_text(str(number))
    return folder


def site(number: int, people: Sequence[str] = "12345", each: int = 3) -> dict[str, float]:
    return {
        f"{person}_{n}": 1000 * number + 10 * position + n
        for position, person in enumerate(people)
        for n in range(each)
    }


class Place:
    """A workspace and the sources in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = open_workspace(folder / "workspace", create=True)

    def fetch(self, name: str | None, numbers: dict[str, float], folder: str = "") -> Artifact:
        path = write(self.folder / (folder or name or "raw"), numbers)
        return fetch_path(self.root, path, LAYOUTS, name=name).artifact

    def make(
        self,
        *sources: Artifact,
        split: SplitSettings = LOGO,
        unite: UniteSettings | None = None,
        task: Settings | None = None,
    ) -> tuple[Artifact, Artifact]:
        prepared, made = prepare(
            self.root, "gaze", sources[0], read_raw, task or Settings(), split,
            more=sources[1:], unite=unite,
        )  # fmt: skip
        return prepared.artifact, made.artifact


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def content(prepared: Artifact) -> list[tuple[Any, ...]]:
    data = open_prepared(prepared)
    numbers = data.arrays.take("number", range(len(data.index)))[:, 0]
    return [
        (row.source, row.sample, row.subject, number)
        for row, number in zip(data.index.itertuples(), numbers, strict=True)
    ]


def test_sources_are_united_whatever_their_order(place: Place) -> None:
    a, b, c = (
        place.fetch(name, site(number, people))
        for number, (name, people) in enumerate({"a": "12", "b": "345", "c": "67"}.items())
    )
    first = place.make(a, b, c)
    assert all(place.make(*order) == first for order in itertools.permutations((a, b, c)))
    assert [entry.role for entry in first[0].manifest.inputs] == ["source", "source-2", "source-3"]
    assert first[0].manifest.summary == {"samples": 21, "subjects": 7}
    rows = content(first[0])
    numbers = {
        (name, f"{person}", float(value))
        for number, (name, people) in enumerate({"a": "12", "b": "345", "c": "67"}.items())
        for key, value in site(number, people).items()
        for person in [key.split("_")[0]]
    }
    assert {(source, subject, number) for source, _, subject, number in rows} == numbers
    assert len({sample for _, sample, _, _ in rows}) == 21
    assert all(sample == f"{source}/{sample.split('/')[1]}" for source, sample, _, _ in rows)


def test_ids_that_do_not_collide_stay_as_they_are(place: Place) -> None:
    raws = place.fetch("a", site(0, "12")), place.fetch("b", site(1, "34"))
    _, split = place.make(*raws)
    assert read_split(split).groups == ["1", "2", "3", "4"], "subjects are as in the tables"


def test_a_single_source_is_prepared_as_ever(place: Place) -> None:
    source = place.fetch("a", site(0))
    prepared, _ = place.make(source)
    assert list(open_prepared(prepared).index.columns) == [
        "sample", "subject", "session", "grade", "files",
    ]  # fmt: skip
    assert [entry.role for entry in prepared.manifest.inputs] == ["source"]
    assert prepared.manifest.params == {"unit": "px"}
    assert place.make(source, unite=SAME)[0] == prepared, "there is nobody to confuse"


def test_equal_subjects_are_refused_until_somebody_says_who_they_are(place: Place) -> None:
    a, b = place.fetch("a", site(0, "123")), place.fetch("b", site(1, "2345"))
    with pytest.raises(CheckError, match="2 subject ids occur in more than one") as caught:
        place.make(a, b)
    assert caught.value.exit_code == 4
    assert "--same-subjects" in str(caught.value.hint) and "--distinct-subjects" in str(
        caught.value.hint
    )
    assert "prepared/gaze" not in families(place.root)
    same, split = place.make(a, b, unite=SAME)
    assert read_split(split).groups == list("12345")
    sessions = open_prepared(same).index.groupby("subject")["session"].unique()
    assert sorted(sessions["2"]) == ["a/", "b/"], "recordings of two sites are not one"
    distinct, split = place.make(a, b, unite=DISTINCT)
    assert read_split(split).groups == ["a/1", "a/2", "a/3", "b/2", "b/3", "b/4", "b/5"]
    assert distinct.ref != same.ref
    with pytest.raises(UsageError, match="contradict"):
        UniteSettings(same_subjects=True, distinct_subjects=True)


def test_unknown_subjects_are_not_shared(place: Place) -> None:
    a, b = place.fetch("a", {"_1": 1, "_2": 2}), place.fetch("b", {"_1": 3, "_2": 4})
    prepared, _ = place.make(a, b, split=SplitSettings(group="none"), unite=DISTINCT)
    assert set(open_prepared(prepared).index["subject"]) == {""}


def test_the_same_data_twice_are_refused(place: Place) -> None:
    a, b = place.fetch("a", site(0)), place.fetch("b", site(0))
    with pytest.raises(UsageError, match=r"source/gaze/a@v1 .* are the same data"):
        place.make(a, b, unite=DISTINCT)


def test_versions_and_nameless_sources_have_labels_of_their_own(place: Place) -> None:
    one = place.fetch("a", site(0, "12"), "one")
    two = place.fetch("a", site(1, "34"), "two")
    three = place.fetch(None, site(2, "56"), "three")
    labels = {source for source, *_ in content(place.make(one, two, three)[0])}
    short = {a.ref: a.manifest.digest[:8] for a in (one, two, three)}
    assert labels == {f"a-{short[one.ref]}", f"a-{short[two.ref]}", short[three.ref]}


def test_sources_that_differ_are_refused_with_the_field(place: Place) -> None:
    sources = {label: Source(place.folder, "numbers", {f"{label}_0.txt": label}) for label in "ab"}

    def differ(**changes: Any) -> str:
        def read(source: Source, settings: Any) -> Raw:
            raw = read_raw(source, Settings())
            if "b_0.txt" not in source.digests:
                return raw
            table = [dict(row) | changes.get("column", {}) for row in raw.table]
            setup = raw.setup | changes.get("setup", {})
            return Raw(
                table, raw.files, {**raw.specs, **changes.get("array", {})}, raw.convert, setup
            )

        with pytest.raises(DataError) as caught:
            find_samples(sources, read, None, UniteSettings())
        return caught.value.message

    assert differ(setup={"unit": "cm"}) == "sources a and b differ in the setup 'unit': px and cm"
    assert differ(setup={"screen": 1}).endswith("only b has the setup 'screen'")
    assert differ(column={"box": 1}).endswith("only b has the column 'box'")
    assert "array 'number'" in differ(array={"number": ArraySpec((2,), "float32")})


def test_problems_of_every_source_are_listed(place: Place) -> None:
    def read(source: Source, settings: Any) -> Raw:
        raw = read_raw(source, Settings())
        return Raw([], [], raw.specs, raw.convert, raw.setup, [f"{n} is bad" for n in raw.files])

    sources = {label: Source(place.folder, "numbers", {f"{label}_0.txt": label}) for label in "ab"}
    assert len(find_samples(sources, read, None, UniteSettings()).problems) == 2


def test_a_file_in_two_sources_is_a_leak_like_any_other(place: Place) -> None:
    a, b = place.fetch("a", site(0, "123")), place.fetch("b", site(1, "456") | {"4_0": 0})
    with pytest.raises(CheckError, match=r"1 leaks .*(a/row0 ~ b/row0|b/row0 ~ a/row0)"):
        place.make(a, b)
    again = place.fetch("c", site(2, "345") | {"3_0": 20})
    assert place.make(a, again, unite=SAME)[1].manifest.flags["subject_independent"] is True


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8), min_size=1, max_size=4),
    st.sampled_from([UniteSettings(), SAME, DISTINCT]),
)
def test_every_sample_is_there_once_and_people_are_who_they_are_said_to_be(
    sites: list[list[str]], unite: UniteSettings
) -> None:
    sources = {
        f"s{n}": Source(Path("/nowhere"), "numbers", {
            f"{person}_{i}.txt": f"{n}-{i}" for i, person in enumerate(people)
        })
        for n, people in enumerate(sites)
    }  # fmt: skip
    people = [(n, person) for n, own in enumerate(sites) for person in own]
    shared = {p for (n, p), (m, q) in itertools.combinations(people, 2) if p == q and n != m}
    if shared and unite == UniteSettings():
        with pytest.raises(CheckError, match=f"^{len(shared)} subject ids"):
            find_samples(sources, read_raw, Settings(), unite)
        return
    found = find_samples(sources, read_raw, Settings(), unite)
    assert len(set(found.column("sample"))) == len(found.table) == len(people)
    assert [files for (files,) in found.digests] == [
        f"{n}-{i}" for n, own in enumerate(sites) for i in range(len(own))
    ]
    by_site = len(sites) > 1 and unite == DISTINCT
    subjects = dict(zip([p if not by_site else (n, p) for n, p in people],
                        found.column("subject"), strict=True))  # fmt: skip
    assert len(set(subjects.values())) == len(subjects) == len(set(found.column("subject")))


# --- splits for life ------------------------------------------------------------------------------


def places(split: Artifact, prepared: Artifact) -> list[dict[str, str]]:
    """Part of every file in each partition."""
    plan, index = read_split(split), open_prepared(prepared).index
    groups = list(index["sample"] if plan.group_by == "none" else index["subject"])
    return [
        dict(zip(index["files"], parts_of(plan, partition, groups).tolist(), strict=True))
        for partition in plan.partitions
    ]


@pytest.mark.parametrize("scheme", ["holdout", "kfold:3x2", "leave-one-group-out"])
@pytest.mark.parametrize("group", ["subject", "none"])
@pytest.mark.parametrize("unite", [SAME, DISTINCT], ids=["same", "distinct"])
def test_a_second_source_moves_nothing(
    place: Place, scheme: str, group: Any, unite: UniteSettings
) -> None:
    """Also where subjects get a prefix that they did not have before."""
    a = place.fetch("a", site(0))
    alone, first = place.make(a, split=SplitSettings(scheme, group))
    b = place.fetch("b", site(1, "45678"))
    both, second = place.make(b, a, split=SplitSettings(split_from=first.ref, seed=3), unite=unite)
    assert read_split(second).scheme == scheme and read_split(second).group_by == group
    for then, now in zip(places(first, alone), places(second, both), strict=False):
        assert {file: now[file] for file in then} == then
    assert second.manifest.params["split_from"] == first.ref
    assert ("earlier", first.ref) in [(e.role, e.ref) for e in second.manifest.inputs]
    assert chosen_split(place.root, both) == second and chosen_split(place.root, alone) == first
    again = place.make(a, b, split=SplitSettings(split_from=first.ref, seed=3), unite=unite)
    assert again == (both, second), "the same again is found"
    card = (second.path / "card.md").read_text()
    assert f"earlier groups are where {first.ref} has them" in card and "| 0 | 0 | test |" in card


def test_the_scheme_is_that_of_the_earlier_split(place: Place) -> None:
    source = place.fetch("a", site(0))
    _, first = place.make(source, split=SplitSettings("kfold:5"))
    more = place.fetch("a", site(0, "123456"))
    with pytest.raises(UsageError, match=r"--split kfold:3: split/gaze@v1 is kfold:5"):
        place.make(more, split=SplitSettings("kfold:3", split_from=first.ref))
    with pytest.raises(UsageError, match=r"--group none: split/gaze@v1 keeps subjects together"):
        place.make(more, split=SplitSettings(group="none", split_from=first.ref))
    _, second = place.make(more, split=SplitSettings("kfold:5", split_from="@latest"))
    assert read_split(second).scheme == "kfold:5" and len(read_split(second).partitions) == 5


def test_what_was_given_up_stays_given_up(place: Place) -> None:
    _, first = place.make(place.fetch("a", site(0)), split=SplitSettings("holdout", "none"))
    more = place.fetch("a", site(0, "123456"))
    _, second = place.make(
        more, split=SplitSettings(split_from=first.ref, unsafe_split="more of the same")
    )
    for split in (first, second):
        assert split.manifest.flags["subject_independent"] is False
    assert read_split(second).reason == read_split(first).reason
    assert read_split(second).subject_independent is False


def test_a_split_of_earlier_data_is_used_only_where_it_fits(place: Place) -> None:
    _, split = place.make(place.fetch("a", site(0)))
    fewer, _ = place.make(place.fetch("b", site(0, "1234")))
    require_fit(fewer, split)
    more, _ = place.make(place.fetch("c", site(0, "123456")))
    with pytest.raises(DataError, match="1 groups are not in the split") as caught:
        require_fit(more, split)
    assert "--split-from" in str(caught.value.hint)
    leaky, _ = place.make(
        place.fetch("d", site(0) | {"1_0": 5, "2_0": 5}),
        split=SplitSettings("leave-one-group-out", unsafe_split="x"),
    )
    with pytest.raises(CheckError, match="1 leaks"):
        require_fit(leaky, split)


def test_a_published_column_becomes_the_split(place: Place) -> None:
    parts = dict(zip("12345", ["train", "train", "valid", "testing", "test"], strict=True))
    source = place.fetch("a", {f"{k}_{parts[k[0]]}": v for k, v in site(0).items()})
    prepared, split = place.make(source, split=SplitSettings(split_column="set"))
    (partition,) = read_split(split).partitions
    assert (partition.test, partition.val) == (["4", "5"], ["3"])
    assert prepared.manifest.params == {"unit": "px", "split_column": "set"}
    assert list(open_prepared(prepared).index["published"].unique()) == [
        "train", "valid", "testing", "test",
    ]  # fmt: skip
    with pytest.raises(DataError, match="--split-column sesion: there is no such column") as caught:
        place.make(source, split=SplitSettings(split_column="sesion"))
    assert caught.value.hint == "did you mean 'session'?"
    # Another split of the same data does not read them again, nor mind the column.
    other = split_prepared(place.root, prepared, SplitSettings("kfold:5")).artifact
    assert len(read_split(other).partitions) == 5


def test_fold_numbers_come_through_the_index(place: Place) -> None:
    source = place.fetch("a", {f"{k}_{int(k[0]) % 2:02d}": v for k, v in site(0).items()})
    _, split = place.make(source, split=SplitSettings(split_column="set"))
    assert [p.test for p in read_split(split).partitions] == [["2", "4"], ["1", "3", "5"]]


def test_a_wrong_published_value_is_a_problem_of_its_row(place: Place) -> None:
    numbers = {f"{k}_train": v for k, v in site(0, "12").items()} | {"3_0_": 5, "3_1_tset": 6}
    source = place.fetch("a", numbers)
    wanted = SplitSettings(split_column="set")
    with pytest.raises(DataError, match=r"row6: --split-column set: nothing is none of .*1 more"):
        place.make(source, split=wanted)
    lines = check_source(place.root, source, read_raw, Settings(), wanted)
    assert lines[1] == "2 problems" and "row7" in lines[3] and "'tset'" in lines[3]


def test_a_dry_run_covers_unions_columns_and_earlier_splits(place: Place) -> None:
    a, b = place.fetch("a", site(0)), place.fetch("b", site(1))
    _, first = place.make(a)

    def check(*more: Artifact, unite: UniteSettings | None = None, **split: Any) -> list[str]:
        settings = SplitSettings(**split)
        before = families(place.root)
        lines = check_source(place.root, a, read_raw, Settings(), settings, more=more, unite=unite)
        assert families(place.root) == before
        return lines

    assert check(b, unite=SAME) == [
        "layout numbers: 30 samples, 5 subjects, 30 files; grade 0: 16 samples of 5 subjects; "
        "grade 1: 14 samples of 5 subjects; arrays number of 0.0 MB", "0 problems",
    ]  # fmt: skip
    assert "10 subjects" in check(b, unite=DISTINCT, split_from=first.ref)[0]
    with pytest.raises(CheckError, match="5 subject ids"):
        check(b)
    with pytest.raises(DataError, match="no such column"):
        check(split_column="part")
    with pytest.raises(UsageError, match="is leave-one-group-out"):
        check(split="kfold:5", split_from=first.ref)


def test_the_card_counts_classes_and_strata_are_dealt_evenly(place: Place) -> None:
    """The class is that of the person here; by chance one fold would get more of the rare one."""
    source = place.fetch("a", {f"{person}_{n}": 9 * n + ord(person) for person in "abcdefgh"
                               for n in range(3)})  # fmt: skip

    def read(source: Source, settings: Settings) -> Raw:
        raw = read_raw(source, settings)
        table = [dict(row) | {"class": row["subject"] in "abcd"} for row in raw.table]
        return replace(raw, table=table, strata="class")

    for seed in range(4):
        prepared, split = prepare(
            place.root, "gaze", source, read, Settings(), SplitSettings("kfold:4", seed=seed)
        )
        for partition in read_split(split.artifact).partitions:
            assert sorted(name in "abcd" for name in partition.test) == [False, True]
        card = (split.artifact.path / "card.md").read_text()
        assert "| False | True |" in card and card.count("| test | 6 | 2 | 3 | 3 |") == 4
    assert open_prepared(prepared.artifact).setup["strata"] == "class"
    _, graded = place.make(place.fetch("g", site(5)))
    assert "| samples | groups | 0 | 1 |" in (graded.path / "card.md").read_text()


def test_a_spelling_in_another_source_is_asked_about_and_never_two_people(place: Place) -> None:
    a, b = place.fetch("a", site(0, ["x1", "2", "3"])), place.fetch("b", site(1, ["X01", "4", "5"]))
    with pytest.raises(CheckError, match=r"^1 subject ids occur in more than one"):
        place.make(a, b)
    with pytest.raises(CheckError, match=r"^1 pairs of subject ids differ in case") as caught:
        place.make(a, b, unite=SAME)
    assert "x1" not in caught.value.message.lower()
    prepared, _ = place.make(a, b, unite=DISTINCT)
    assert prepared.manifest.summary["subjects"] == 6
