"""Files, variables and flags: what wins, where it came from, and what is wrong with it."""

from __future__ import annotations

import functools
import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Chain
from shell import Done, eyecli_process

from eyecli.cli.configuration import take_option

Call = Callable[..., Done]


def shown(eyecli: Call, *words: str) -> dict[str, dict[str, Any]]:
    """Settings of ``fetch sample`` as ``config show`` gives them."""
    done = eyecli("config", "show", "fetch", "sample", "--json", *words)
    assert done.code == 0, done.err
    found = json.loads(done.out)["fetch sample"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("words", "rest", "value"),
    [
        (["a", "--config", "f", "b"], ["a", "b"], "f"),
        (["--config=f", "a", "--config", "g"], ["a"], "g"),
        (["a", "--config"], ["a", "--config"], None),
        (["a", "--", "--config", "f"], ["a", "--", "--config", "f"], None),
        (["--configure", "f"], ["--configure", "f"], None),
    ],
)
def test_an_option_may_stand_anywhere(words: list[str], rest: list[str], value: str) -> None:
    assert take_option(words, "--config") == (rest, value)


def test_each_source_beats_the_next_and_says_where_it_stands(
    eyecli: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, other = tmp_path / "eyecli-workspace", tmp_path / "other.toml"
    workspace.mkdir()
    assert shown(eyecli)["subjects"] == {"value": None, "origin": "default"}
    (workspace / "eyecli.toml").write_text("[fetch.sample]\nsubjects = 2\npoints = 3\n")
    own = "eyecli-workspace/eyecli.toml: [fetch.sample] "
    assert shown(eyecli)["subjects"] == {"value": 2, "origin": f"{own}subjects"}
    other.write_text("[fetch.sample]\nsubjects = 4\ndry-run = true\n")
    for words in (("--config", "other.toml"), ("--config=other.toml",)):
        found = shown(eyecli, *words)
        assert found["subjects"] == {"value": 4, "origin": "other.toml: [fetch.sample] subjects"}
        assert found["points"] == {"value": 3, "origin": f"{own}points"}
        assert found["dry_run"]["origin"].endswith("dry-run")
    monkeypatch.setenv("EYECLI_CONFIG", "other.toml")
    assert shown(eyecli)["subjects"]["value"] == 4
    monkeypatch.setenv("EYECLI_FETCH_SAMPLE_SUBJECTS", "5")
    wanted = {"value": 5, "origin": "EYECLI_FETCH_SAMPLE_SUBJECTS"}
    assert shown(eyecli)["subjects"] == wanted
    # What is shown is what is done: 5 subjects, 3 points, 4 frames.
    assert eyecli("fetch", "sample", "gaze-eyes").out.startswith("60 samples")
    assert eyecli("fetch", "sample", "gaze-eyes", "--subjects", "1").out.startswith("12 samples")


def test_the_file_may_be_named_before_the_command(eyecli: Call, tmp_path: Path) -> None:
    (tmp_path / "a b.toml").write_text("[fetch.sample]\nsubjects = 1\n")
    done = eyecli("--config", "a b.toml", "fetch", "sample", "gaze-eyes", "--dry-run")
    assert done.out.startswith("100 samples")


def test_what_is_shown_can_be_read_again(eyecli: Call, tmp_path: Path) -> None:
    done = eyecli("config", "show", "--origin")
    text = done.out
    assert done.code == 0
    tables = tomllib.loads(text)
    assert tables["train"]["gaze"]["batch-size"] == 32
    assert set(tables["workspace"]) >= {"ls", "verify"}
    (tmp_path / "all.toml").write_text(text)
    again = eyecli("config", "show", "--config", "all.toml")
    assert tomllib.loads(again.out) == tables


def test_a_command_that_is_not_there_is_suggested(eyecli: Call) -> None:
    done = eyecli("config", "show", "trian")
    assert (done.code, done.complaint[1].strip()) == (2, "did you mean 'train'?")
    done = eyecli("config", "show", "train", "gase")
    assert (done.code, done.complaint[1].strip()) == (2, "did you mean 'gaze'?")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[train.gaze]\nepoch = 3", "f.toml: [train.gaze] epoch: `eyecli train gaze` has no",
         "did you mean 'epochs'?"),
        ("[train.gase]\nepochs = 3", "f.toml: [train.gase]: `eyecli train` has no", "gaze"),
        ("[train.gaze]\nepochs = true", "[train.gaze] epochs is true, a whole number is needed",
         ""),
        ("[train.gaze]\nepochs = 2.5", "[train.gaze] epochs is 2.5, a whole number is needed", ""),
        ("[train.gaze]\nepochs = [1]", "[train.gaze] epochs is a list, a whole number", ""),
        ("[train.gaze]\nforce = 1", "[train.gaze] force is 1, true or false is needed", ""),
        ("[train.gaze]\nsplit = 5", "[train.gaze] split is 5, text in quotes is needed", ""),
        ("[train.gaze]\nepochs = 'x'", "f.toml: [train.gaze] epochs: 'x' is not a valid int", ""),
        ("[train.gaze]\nhead = 'x'", "f.toml: [train.gaze] head: 'x' is not one of", ""),
        ("[train.gaze]\nbatch-size = 0", "f.toml: [train.gaze] batch-size: --batch-size 0", ""),
        ("[train]\ngaze = 3", "f.toml: [train] gaze is no table", "write [train.gaze]"),
        ("[train.gaze.epochs]\nx = 1", "epochs] is a table, a whole number is needed", ""),
        ("[train.gaze]\nworkspace = 'x'", "cannot be set in a file", "EYECLI_WORKSPACE"),
        ("[train.gaze]\nconfig = 'x'", "cannot be set in a file", "EYECLI_CONFIG"),
        ("[train.gaze]\nsweep = 'epochs=x'", "epochs", ""),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_file_and_key(
    chain: Chain, eyecli: Call, tmp_path: Path, text: str, message: str, hint: str
) -> None:
    (tmp_path / "f.toml").write_text(text)
    place = ("--workspace", chain.root, "--config", "f.toml")
    done = eyecli("train", "gaze", "--dry-run", *place)
    assert (done.code, done.out) == (2, "")
    assert message in done.complaint[0]
    assert hint in "".join(done.complaint[1:])
    # Help is for those who are about to correct it.
    assert eyecli("train", "gaze", "--help", *place).code == 0


@pytest.mark.parametrize("name", ["no.toml", "no.json", "."])
def test_a_file_that_is_not_there_is_refused(eyecli: Call, name: str) -> None:
    done = eyecli("workspace", "ls", "--config", name)
    assert (done.code, done.complaint[0]) == (2, f"error: --config {name}: no such file")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("EYECLI_TRAIN_GAZE_EPOCHS", "abc", "'abc' is not a valid int"),
        ("EYECLI_TRAIN_GAZE_EPOCHS", "0", "--epochs 0"),
        ("EYECLI_TRAIN_GAZE_HEAD", "x", "'x' is not one of"),
        ("EYECLI_LOG_FORMAT", "xml", "'xml' is not one of"),
        ("EYECLI_QUIET", "maybe", "'maybe' is not a valid boolean"),
    ],
)
def test_a_bad_value_names_its_variable(
    eyecli: Call, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    done = eyecli("train", "gaze")
    assert (done.code, done.out) == (2, "")
    assert done.complaint[0].startswith(f"error: {name}: {message}")


def test_a_misspelt_variable_is_said_once(
    chain: Chain, eyecli: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EYECLI_WORKSPACE", str(chain.root))
    monkeypatch.setenv("EYECLI_WORKSPACE_LS_PREFIXES", "x")
    monkeypatch.setenv("EYECLI_WORKSPCE", "x")
    for fine in ("EYECLI_TRAIN_GAZE_EPOCHS", "EYECLI_WORKSPACE_SHOW_JSON", "EYECLI_VERSION",
                 "EYECLI_CHECK_ANE_FORCE"):  # fmt: skip
        monkeypatch.setenv(fine, "1")
    done = eyecli("workspace", "ls", "--quiet")
    assert done.code == 0
    warned = [line.split(" ", 1)[1] for line in done.err.splitlines()]
    assert warned == [
        "EYECLI_WORKSPACE_LS_PREFIXES is no setting of `eyecli workspace ls`",
        "EYECLI_WORKSPCE is no setting of `eyecli workspace ls`; did you mean 'EYECLI_WORKSPACE'?",
    ]


def test_a_manifest_makes_the_same_again(copy: Chain) -> None:
    manifest = copy.root / "model/gaze/v0001/manifest.json"
    for place in (manifest, manifest.parent):
        done = eyecli_process("train", "gaze", "--config", place, "--json", cwd=copy.folder)
        assert done.code == 0, done.err
        document = json.loads(done.out)
        assert (document["ref"], document["cached"]) == ("model/gaze@v1", True)
    settings = copy.folder / "made.json"
    # What --json prints is a manifest, too.
    settings.write_text(done.out)
    other = eyecli_process("train", "gaze", "--config", settings, "--epochs", "2", "--dry-run",
                           cwd=copy.folder)  # fmt: skip
    assert other.code == 0, other.err
    shown = eyecli_process("config", "show", "train", "gaze", "--origin", "--config", settings,
                           cwd=copy.folder)  # fmt: skip
    assert 'prepared = "prepared/gaze@v1"' in shown.out
    (line,) = [line for line in shown.out.splitlines() if line.startswith("epochs")]
    assert line.split("  # ") == [line.split("  # ")[0], f"{settings}: params.epochs"]
    assert line.startswith("epochs = 1 ")


def test_an_old_manifest_says_what_is_gone(copy: Chain, eyecli: Call) -> None:
    manifest = json.loads((copy.root / "model/gaze/v0001/manifest.json").read_text())
    manifest["params"]["dropout"] = 0.5
    path = copy.folder / "old.json"
    path.write_text(json.dumps(manifest))
    done = eyecli("train", "gaze", "--dry-run", "--workspace", copy.root, "--config", path)
    assert done.code == 0
    assert f"{path}: params.dropout: `eyecli train gaze` has no such setting" in done.err
    for stage, message in (("deform", "no command takes the settings of `deform`"),
                           ("train", "Object missing required field")):  # fmt: skip
        changed = manifest | {"stage": stage}
        if stage == "train":
            del changed["params"]
        path.write_text(json.dumps(changed))
        done = eyecli("train", "gaze", "--workspace", copy.root, "--config", path)
        assert done.code == 2
        assert message in done.complaint[0]


DEEP = (
    f"a = {'[' * 5000}",
    f"[train.gaze]\na = {'[' * 5000}",
    f"[{'.'.join('a' * 3000)}]",
    f"[{'.'.join('a' * 12)}]",
)


@pytest.mark.parametrize("text", DEEP)
def test_a_file_nested_too_deeply_is_named(eyecli: Call, tmp_path: Path, text: str) -> None:
    (tmp_path / "eyecli-workspace").mkdir()
    for name, words in (("f.toml", ("--config", "f.toml")), ("eyecli-workspace/eyecli.toml", ())):
        (tmp_path / name).write_text(text)
        done = eyecli("workspace", "ls", *words)
        (tmp_path / name).unlink()
        assert (done.code, done.complaint[0]) == (2, f"error: {name}: nested too deeply")


def test_one_value_of_several_needs_no_list(chain: Chain, eyecli: Call, tmp_path: Path) -> None:
    done = []
    for value in ("'epochs=1,2'", "['epochs=1,2']"):
        (tmp_path / "f.toml").write_text(f"[train.gaze]\nsweep = {value}\n")
        place = ("--workspace", chain.root, "--config", "f.toml")
        done.append(eyecli("train", "gaze", "--dry-run", *place))
    assert done[0].code == 0 and done[0].out == done[1].out != ""


def test_a_manifest_that_knew_much_is_summed_up(chain: Chain, eyecli: Call, tmp_path: Path) -> None:
    manifest = json.loads((chain.root / "model/gaze/v0001/manifest.json").read_bytes())
    manifest["params"] |= {f"old_{n}": n for n in range(2000)}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    words = ("train", "gaze", "--dry-run", "--workspace", chain.root, "--config", "manifest.json")
    done = eyecli(*words)
    assert done.code == 0
    assert done.err.count("has no such setting any more") == 5
    assert "and 1995 more settings left out" in done.err
    for stage in ("", " "):
        (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"stage": stage}))
        done = eyecli(*words)
        assert (done.code, done.complaint) == (
            2,
            ["error: manifest.json: 'stage' is empty: no command made it"],
        )


def test_a_manifest_of_another_command_is_refused(chain: Chain, eyecli: Call) -> None:
    report = chain.root / "report/gaze/v0001"
    for line in ("train gaze", "workspace ls", "config show train gaze"):
        done = eyecli(*line.split(), "--workspace", chain.root, "--config", report)
        assert (done.code, done.out) == (2, "")
        said = f"{report}/manifest.json: made by `eyecli evaluate`, not by `eyecli"
        assert said in done.complaint[0]
        assert "use it with `eyecli evaluate`" in done.complaint[1]
    for line in ("config show evaluate", "config show"):
        done = eyecli(*line.split(), "--workspace", chain.root, "--config", report)
        assert (done.code, done.err) == (0, "")
        assert 'model = "model/gaze@v1"' in done.out


def test_a_manifest_of_prepared_data_names_its_sources(copy: Chain, eyecli: Call) -> None:
    place = ("--workspace", copy.root)
    sample = ("fetch", "sample", "gaze-eyes", "--subjects", "4", "--points", "4", "--frames", "1")
    later = eyecli(*sample, "--seed", "5", *place).ref
    assert later == "source/gaze@v2"
    prepare = ("preprocess", "gaze", *place)
    made = eyecli(*prepare, "--config", copy.root / "prepared/gaze/v0001")
    assert made.ref == "prepared/gaze@v1"
    assert made.err.count("how it was split is not in it") == 1
    # A split's manifest has the settings of both.
    made = eyecli(*prepare, "--config", copy.root / "split/gaze/v0001")
    assert made.ref == "prepared/gaze@v1" and "split: split/gaze@v1" in made.err
    assert "how it was split" not in made.err
    both = eyecli(*prepare, later, "source/gaze@v1", "--distinct-subjects")
    assert both.ref == "prepared/gaze@v2"
    eyecli(*sample, "--seed", "6", *place)
    assert eyecli(*prepare, "--config", copy.root / "prepared/gaze/v0002").ref == both.ref
    # A flag still counts more.
    other = eyecli(*prepare, later, "--config", copy.root / "prepared/gaze/v0001", "--dry-run")
    assert other.code == 0 and f"{later}" in eyecli(
        *prepare, later, "--config", copy.root / "prepared/gaze/v0001", "--dry-run", "--json"
    ).out  # fmt: skip
    gone = copy.root / "source/gaze/v0001"
    shutil.move(gone, copy.root / "source/gaze/v0009")
    made = eyecli(*prepare, "--config", copy.root / "prepared/gaze/v0001", "--dry-run")
    assert made.code == 0, "the same content under another number"
    shutil.rmtree(copy.root / "source/gaze/v0009")
    for artifact in ("prepared/gaze/v0001", "prepared/gaze/v0002", "split/gaze/v0001"):
        done = eyecli(*prepare, "--config", copy.root / artifact)
        assert (done.code, done.out) == (3, "")
        assert "no version v1 of source/gaze" in done.complaint[0]
    # Another source has taken its number.
    shutil.copytree(copy.root / "source/gaze/v0002", gone)
    done = eyecli(*prepare, "--config", copy.root / "prepared/gaze/v0001")
    assert done.code == 3 and "no artifact with digest" in done.complaint[0]
    shutil.rmtree(copy.root / "prepared/gaze/v0001")
    done = eyecli(*prepare, "--config", copy.root / "split/gaze/v0001")
    assert done.code == 3 and "prepared/gaze@v1, of which it is the split" in done.complaint[0]


def test_a_manifest_of_a_fold_trains_that_fold(chain: Chain, eyecli: Call) -> None:
    place = ("--workspace", chain.root, "--config", chain.root / "fold/gaze/v0003")
    done = eyecli("config", "show", "train", "gaze", *place)
    assert done.err == "" and "fold = 2 " in done.out.replace("\n", " \n")


def test_an_external_evaluation_is_made_again(copy: Chain) -> None:
    run = functools.partial(eyecli_process, cwd=copy.folder)
    sample = "fetch sample gaze-eyes --subjects 4 --points 4 --frames 1 --seed 5"
    assert run(*sample.split()).code == 0
    assert run("preprocess", "gaze").ref == "prepared/gaze@v2"
    external = ("--on", "prepared/gaze@v2", "--fold", "1", "--other-people", "rendered  anew")
    for command, artifact in (("evaluate", "report/gaze"), ("compare", "comparison/gaze")):
        made = run(command, "model/gaze@v1", *external)
        assert made.ref == f"{artifact}@v2"
        again = run(command, "--config", copy.root / artifact / "v0002", "--json")
        assert again.code == 0, again.err
        document = json.loads(again.out)
        assert (document["ref"], document["cached"]) == (made.ref, True)
        settings = {key: document["params"][key] for key in ("fold", "other_people")}
        assert settings == {"fold": 1, "other_people": "rendered anew"}


def test_help_says_what_json_prints(eyecli: Call) -> None:
    for words, what in ((("doctor",), "result"), (("runs", "ls"), "result"),
                        (("config", "show"), "result"), (("evaluate",), "manifest")):  # fmt: skip
        assert f"Print the {what} as JSON." in eyecli(*words, "--help").out


def test_one_setting_in_two_spellings_is_refused(eyecli: Call) -> None:
    Path("two.toml").write_text("[train.gaze]\nlearning-rate = 0.1\nlearning_rate = 0.2\n")
    done = eyecli("train", "gaze", "--config", "two.toml")
    assert done.code == 2
    assert "[train.gaze] learning-rate and learning_rate are the same" in done.complaint[0]
