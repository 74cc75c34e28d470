"""The kaggle package's own client against a loopback server that speaks its interface."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from archives import write_zip
from kaggle_server import KEY, RULES, TOKEN, Kaggle, kaggle_server, zipped

from eyecli.errors import DataError, EyecliError, MissingError, RetryError, UsageError
from eyecli.sources import kaggle as module
from eyecli.sources.kaggle import (
    KINDS,
    KNOWN,
    NOTE,
    PARTS,
    Asked,
    Limits,
    Listing,
    Piece,
    _keep,
    check_folder_for,
    download_kaggle,
    list_kaggle,
    parse_slug,
    plan,
    terms,
)
from eyecli.sources.kaggle_client import without_secrets
from eyecli.tasks.base import all_layouts
from eyecli.workspace.lease import lease

EYES = {"labels.csv": b"image,level\na,0\n", "train/left a.png": bytes(range(256)) * 4096}
COMPETITION = Asked("competition", "eyes")
DATASET = Asked("dataset", "o/eyes")
NOW = Limits(timeout=60, retries=0)
TWICE = Limits(timeout=60, retries=2)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    with kaggle_server() as found:
        found.competitions["eyes"] = EYES
        found.datasets["o/eyes"] = EYES
        for name, value in found.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        yield found


def fetch(
    server: Kaggle,
    asked: Asked,
    folder: Path,
    limits: Limits = NOW,
    chosen: tuple[str, ...] = (),
) -> None:
    """Do what the command does once it has the listing."""
    found = server.competitions if asked.kind == "competition" else server.datasets
    files = {name: len(content) for name, content in found[asked.slug].items()} | server.sizes
    version = asked.version or (3 if asked.kind == "dataset" else None)
    listing = Listing(files, True, sum(files.values()), version)
    pieces = plan(asked, listing, chosen)
    check_folder_for(folder, pieces, listing)
    download_kaggle(asked, listing, pieces, folder, limits)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def part_of(folder: Path) -> Path:
    (part,) = (path for path in (folder / PARTS).iterdir() if path.name.isalnum())
    return part


def resumed_at(server: Kaggle) -> int:
    (asked,) = filter(None, server.ranges())
    return int(asked.removeprefix("bytes=").removesuffix("-"))


def test_a_competition_comes_file_by_file_and_once(server: Kaggle, tmp_path: Path) -> None:
    fetch(server, COMPETITION, tmp_path / "to")
    assert contents(tmp_path / "to") == EYES
    assert not (tmp_path / "to" / PARTS).exists()
    assert server.asked("DownloadDataFile") == list(EYES)
    (tmp_path / "to/labels.csv").unlink()
    fetch(server, COMPETITION, tmp_path / "to")
    assert server.asked("DownloadDataFile") == [*EYES, "labels.csv"]


def test_a_dataset_comes_as_one_archive_of_one_version(server: Kaggle, tmp_path: Path) -> None:
    fetch(server, DATASET, tmp_path / "to")
    assert contents(tmp_path / "to") == {"eyes-v3.zip": zipped(EYES)}
    with pytest.raises(DataError, match=r"do not come from there, such as eyes-v3.zip"):
        fetch(server, Asked("dataset", "o/eyes", 2), tmp_path / "to")
    assert server.asked("DownloadDataset") == ["o/eyes"]


def test_a_file_is_chosen_and_may_come_packed(server: Kaggle, tmp_path: Path) -> None:
    server.packed = {"labels.csv"}
    for _ in range(2):
        fetch(server, DATASET, tmp_path / "to", chosen=("labels.csv",))
    packed = zipped({"labels.csv": EYES["labels.csv"]})
    assert contents(tmp_path / "to") == {"labels.csv.zip": packed}
    assert server.asked("DownloadDataset") == ["labels.csv"]


def test_a_listing_has_pages_and_facts(server: Kaggle) -> None:
    server.page = 3
    server.datasets["o/many"] = {f"{number}.png": b"x" for number in range(8)}
    found = list_kaggle(Asked("dataset", "o/many"), NOW)
    assert (len(found.files), found.complete, found.size) == (8, True, 8)
    assert (found.version, found.title, found.licence) == (3, "On o/many", "CC0-1.0")
    assert list_kaggle(COMPETITION, NOW).title == "On eyes"


def test_a_competition_of_many_files_comes_as_one_archive(server: Kaggle, tmp_path: Path) -> None:
    files = {f"{number}.png": b"x" for number in range(module.FEW_FILES + 1)}
    server.competitions["eyes"] = files
    fetch(server, COMPETITION, tmp_path / "to")
    assert contents(tmp_path / "to") == {"eyes.zip": zipped(files)}


def test_what_was_cut_goes_on(server: Kaggle, tmp_path: Path) -> None:
    server.cuts = [len(EYES["labels.csv"]), 500_000]
    fetch(server, COMPETITION, tmp_path / "to", TWICE)
    assert contents(tmp_path / "to") == EYES
    assert 0 < resumed_at(server) <= 500_000


def test_what_is_cut_again_and_again_is_no_file(server: Kaggle, tmp_path: Path) -> None:
    server.cuts = [1000] * 2
    with pytest.raises(RetryError, match=r"labels.csv: the connection was lost") as caught:
        server.competitions["eyes"] = {"labels.csv": bytes(2000)}
        fetch(server, COMPETITION, tmp_path / "to", NOW)
    assert "same command again" in str(caught.value.hint)
    assert list(contents(tmp_path / "to")) != ["labels.csv"]
    assert not (tmp_path / "to/labels.csv").exists()


def test_a_changed_file_is_not_glued_to_an_old_part(server: Kaggle, tmp_path: Path) -> None:
    server.cuts = [500_000]
    chosen = ("train/left a.png",)
    with pytest.raises(RetryError):
        fetch(server, COMPETITION, tmp_path / "to", NOW, chosen)
    assert part_of(tmp_path / "to").stat().st_size > 0
    changed = {"train/left a.png": EYES["train/left a.png"][::-1]}
    server.competitions["eyes"] = changed
    server.storage.clear()
    fetch(server, COMPETITION, tmp_path / "to", NOW, chosen)
    assert contents(tmp_path / "to") == changed


def test_a_stalled_server_is_not_waited_for(server: Kaggle, tmp_path: Path) -> None:
    server.stall_after = 500_000
    server.competitions["eyes"] = {"a.png": bytes(range(256)) * 4096}
    with pytest.raises(RetryError, match="sent nothing for 2 s"):
        fetch(server, COMPETITION, tmp_path / "to", Limits(2, 0))
    assert contents(tmp_path / "to").keys() == {
        f"{PARTS}/{part_of(tmp_path / 'to').name}{end}" for end in ("", NOTE)
    }
    server.release.set()
    fetch(server, COMPETITION, tmp_path / "to")
    assert contents(tmp_path / "to") == server.competitions["eyes"]
    assert resumed_at(server) > 0


@pytest.mark.parametrize("method", ["IntrospectToken", "ListDataFiles"])
def test_a_server_that_never_answers_is_not_waited_for(server: Kaggle, method: str) -> None:
    server.silent = {method}
    with pytest.raises(RetryError, match="sent nothing for 2 s"):
        list_kaggle(COMPETITION, Limits(2, 0))


def test_a_size_other_than_listed_is_no_file(server: Kaggle, tmp_path: Path) -> None:
    server.sizes = {"labels.csv": 17}
    with pytest.raises(DataError, match=r"labels.csv did not come whole: 16 bytes, Kaggle lists 1"):
        fetch(server, COMPETITION, tmp_path / "to")
    assert contents(tmp_path / "to") == {}
    server.sizes = {}
    fetch(server, COMPETITION, tmp_path / "to")
    assert contents(tmp_path / "to") == EYES


@pytest.mark.parametrize("damage", ["short", "flipped"])
def test_an_archive_that_is_not_whole_is_no_file(
    server: Kaggle, tmp_path: Path, damage: str
) -> None:
    whole = zipped(EYES)
    flipped = whole[:50] + bytes([whole[50] ^ 1]) + whole[51:]
    server.storage["o/eyes/archive.zip"] = whole[:-30] if damage == "short" else flipped
    with pytest.raises(DataError, match=r"eyes-v3.zip did not come whole"):
        fetch(server, DATASET, tmp_path / "to")
    assert contents(tmp_path / "to") == {}


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_file_with_a_damaged_stream_is_not_kept(tmp_path: Path, method: int) -> None:
    whole = write_zip(tmp_path / "part", {"a.csv": b"hello, world" * 3000}, method).read_bytes()
    (tmp_path / "part").write_bytes(whole[:35] + b"\xff" * 25 + whole[60:])
    with pytest.raises(DataError, match=r"a\.csv\.zip did not come whole"):
        _keep(Piece("a.csv", "a.csv", 36000), tmp_path / "part", tmp_path, True)
    assert list(tmp_path.iterdir()) == []


def test_packed_files_have_the_size_that_is_listed(server: Kaggle, tmp_path: Path) -> None:
    server.packed, server.sizes = {"labels.csv"}, {"labels.csv": 99}
    with pytest.raises(DataError, match="Kaggle lists 99 bytes"):
        fetch(server, COMPETITION, tmp_path / "to", chosen=("labels.csv",))


def test_missing_credentials_are_explained(
    server: Kaggle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    with pytest.raises(MissingError, match="no credentials here") as caught:
        list_kaggle(COMPETITION, NOW)
    assert "~/.kaggle/access_token" in str(caught.value.hint)
    assert "KAGGLE_API_TOKEN" in str(caught.value.hint)
    assert list((tmp_path / "home").iterdir()) == []
    assert server.log == []


def test_credentials_are_found_where_kaggle_keeps_them(
    server: Kaggle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (tmp_path / "home/.kaggle").mkdir()
    token = tmp_path / "home/.kaggle/access_token"
    token.write_text(TOKEN)
    assert list_kaggle(COMPETITION, NOW).files
    token.write_text("KGAT_of_old")
    with pytest.raises(MissingError, match=r"does not accept the token in ~/.kaggle/access_token"):
        list_kaggle(COMPETITION, NOW)


def test_credentials_that_are_refused_are_explained(
    server: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_of_old")
    with pytest.raises(MissingError, match="does not accept the token in KAGGLE_API_TOKEN"):
        list_kaggle(COMPETITION, NOW)
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setenv("KAGGLE_USERNAME", "tester")
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    assert list_kaggle(COMPETITION, NOW).files
    server.answers["ListCompetitions"] = [(401, {}, f"who is {KEY}")]
    with pytest.raises(MissingError, match=r"does not accept.*who is \*\*\*") as caught:
        list_kaggle(COMPETITION, NOW)
    assert "https://www.kaggle.com/settings/api" in str(caught.value.hint)


def test_terms_that_were_not_accepted_are_explained(server: Kaggle, tmp_path: Path) -> None:
    server.refused = {"eyes"}
    with pytest.raises(MissingError, match=RULES) as caught:
        fetch(server, COMPETITION, tmp_path / "to")
    assert "https://www.kaggle.com/competitions/eyes/rules" in str(caught.value.hint)


@pytest.mark.parametrize("asked", [Asked("competition", "nope"), Asked("dataset", "o/nope")])
def test_an_unknown_slug_is_explained(server: Kaggle, asked: Asked) -> None:
    with pytest.raises(MissingError, match=f"no {asked.kind} '{asked.slug}'") as caught:
        list_kaggle(asked, NOW)
    assert f"kaggle.com/{asked.kind}s/" in str(caught.value.hint)


def test_too_many_requests_are_waited_for(
    server: Kaggle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    busy = (429, {"Retry-After": "0"}, "slow down")
    server.answers = {"IntrospectToken": [busy] * 2, "DownloadDataFile": [busy, busy],
                      "GET": [(503, {}, "busy")]}  # fmt: skip
    fetch(server, COMPETITION, tmp_path / "to", Limits(60, 3))
    assert contents(tmp_path / "to") == EYES
    assert len(server.asked("IntrospectToken")) == 3
    assert sum("again in 0.0 s" in line for line in caplog.messages) == 3
    assert sum("503" in line for line in caplog.messages) == 1


@pytest.mark.parametrize(("seconds", "retries"), [("7", 0), ("86400", 5)])
def test_a_quota_that_is_used_up_is_explained(server: Kaggle, seconds: str, retries: int) -> None:
    server.answers["ListDataFiles"] = [(429, {"Retry-After": seconds}, "slow down")]
    with pytest.raises(MissingError, match="too many requests, or a quota") as caught:
        list_kaggle(COMPETITION, Limits(60, retries))
    assert f"wait {min(int(seconds), 6 * 3600)} s" in str(caught.value.hint)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "http://nowhere.invalid:80"])
def test_no_network_is_explained(
    server: Kaggle, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy.replace("//", f"//user:{KEY}@"))
    with pytest.raises(MissingError, match="Kaggle cannot be reached") as caught:
        list_kaggle(COMPETITION, NOW)
    assert KEY not in str(caught.value)


def test_a_home_that_cannot_be_written_is_no_matter(
    server: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/proc/nobody")
    assert list_kaggle(COMPETITION, NOW).files


def test_modules_that_lie_about_are_not_imported(
    server: Kaggle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kaggle.py").write_text("raise SystemExit('not the package')")
    monkeypatch.chdir(tmp_path)
    assert list_kaggle(COMPETITION, NOW).files


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", f"{PARTS}/x", "a\0b", "."])
def test_a_path_that_leaves_the_folder_is_refused(
    server: Kaggle, tmp_path: Path, name: str
) -> None:
    server.competitions["eyes"] = {"good.csv": b"x", name: b"x"}
    with pytest.raises(DataError, match="leaves the folder"):
        fetch(server, COMPETITION, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    assert server.asked("DownloadDataFile") == []


def test_a_link_that_leaves_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to/train").symlink_to(tmp_path)
    listing = Listing({"train/a.png": 1}, True, 1)
    with pytest.raises(DataError, match=r"'train/a.png', which leaves the folder"):
        check_folder_for(tmp_path / "to", plan(COMPETITION, listing, ()), listing)


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to/thesis.txt").touch()
    listing = Listing({"a.png": 1}, True, 1)
    with pytest.raises(DataError, match=r"do not come from there, such as thesis.txt"):
        check_folder_for(tmp_path / "to", plan(COMPETITION, listing, ()), listing)


def test_one_process_at_a_time_downloads(tmp_path: Path) -> None:
    listing = Listing({"a.png": 1}, True, 1)
    with (
        lease(tmp_path / PARTS, "a test"),
        pytest.raises(RetryError, match=r"the download into .* is busy"),
    ):
        download_kaggle(COMPETITION, listing, plan(COMPETITION, listing, ()), tmp_path, NOW)


def test_a_disk_that_is_too_small_is_found_before(tmp_path: Path) -> None:
    listing = Listing({"a.png": 2**60}, True, 2**60)
    with pytest.raises(EyecliError, match="to fetch, but") as caught:
        download_kaggle(COMPETITION, listing, plan(COMPETITION, listing, ()), tmp_path, NOW)
    assert "--folder" in str(caught.value.hint)


def test_messages_hold_no_way_in() -> None:
    said = "Max retries: http://me:pass@proxy:80/x?X-Goog-Signature=5eal (url: /y?sig=5eal) why?"
    assert without_secrets(said) == "Max retries: http://proxy:80/x (url: /y why?"


def test_slugs() -> None:
    assert parse_slug("competition", "a-b") == Asked("competition", "a-b")
    for slug in ("o/n/12", "o/n/versions/12"):
        assert parse_slug("dataset", slug) == Asked("dataset", "o/n", 12)
    with pytest.raises(UsageError) as caught:
        parse_slug("data-set", "o/n")
    assert caught.value.hint == "did you mean 'dataset'?"
    for kind, slug in (("competition", "o/n"), ("dataset", "n"), ("dataset", "o/n/0"),
                       ("dataset", "o/n/" + "9" * 5000),
                       ("dataset", "../n"), ("competition", "..")):  # fmt: skip
        with pytest.raises(UsageError, match=f"not the slug of a {kind}"):
            parse_slug(kind, slug)


def test_a_file_that_is_not_listed_is_refused_where_all_are() -> None:
    with pytest.raises(UsageError) as caught:
        plan(COMPETITION, Listing({"labels.csv": 1}, True, 1), ["label.csv"])
    assert caught.value.hint == "did you mean 'labels.csv'?"
    found = plan(COMPETITION, Listing({"labels.csv": 1}, False, 1), ["z.csv", "z.csv"])
    assert found == [Piece("z.csv", "z.csv")]


def test_terms_are_those_that_kaggle_states() -> None:
    nothing = Listing({}, True, 0)
    rules = "competition rules: https://www.kaggle.com/competitions/eyes/rules"
    assert terms(COMPETITION, nothing) == rules
    assert terms(DATASET, Listing({}, True, 0, licence="CC0-1.0")) == "CC0-1.0"
    assert terms(DATASET, nothing) == "as stated at https://www.kaggle.com/datasets/o/eyes"
    assert terms(Asked("dataset", "paultimothymooney/kermany2018"), nothing) == "CC BY 4.0"


@pytest.mark.parametrize("slug", KNOWN)
def test_presets_are_of_slugs_that_there_can_be(slug: str) -> None:
    assert KNOWN[slug].kind in KINDS
    assert parse_slug(KNOWN[slug].kind, slug).slug == slug


def test_layouts_of_known_data_are_layouts() -> None:
    assert {preset.layout for preset in KNOWN.values()} <= set(all_layouts())
