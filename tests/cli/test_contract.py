"""The shell contract: streams, exit codes, suggestions, precedence, no stdin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CHAIN, Chain
from shell import Done, environment, eyecli_process, hear_ctrl_c

Call = Callable[..., Done]
HEAVY = {"tensorflow", "keras", "coremltools", "mediapipe", "cv2", "pandas", "jax", "matplotlib",
         "scipy", "skimage"}  # fmt: skip
NOISY = """
import ctypes, os, subprocess, sys
import typer
from eyecli.cli.contract import Result, command
app = typer.Typer()

@command(app, "noisy", makes=False)
def noisy(shell) -> Result:
    print("python")
    os.write(1, b"descriptor\\n")
    ctypes.CDLL(None).puts(b"stdio")
    subprocess.run(["echo", "child"])
    sys.__stdout__.write("late")
    return Result(["the/result"], {"result": True})

app()
"""


def test_what_other_code_prints_goes_to_stderr() -> None:
    for flag, expected in (("--quiet", "the/result\n"), ("--json", '{\n  "result": true\n}\n')):
        done = subprocess.run([sys.executable, "-c", NOISY, flag], env=environment(),
                              capture_output=True, text=True)  # fmt: skip
        assert (done.returncode, done.stdout) == (0, expected)
        for word in ("python", "descriptor", "stdio", "child", "late"):
            assert word in done.stderr


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("workspace", "ls")])
def test_what_must_be_fast_imports_nothing_heavy(chain: Chain, words: tuple[str, ...]) -> None:
    done = eyecli_process(*words, cwd=chain.folder, options=("-X", "importtime"))
    assert done.code == 0
    assert done.out
    assert done.imported & (HEAVY | {"numpy", "rich", "importlib_metadata"}) == set()


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        ("trian gaze", 2, "Did you mean 'train'", "see `eyecli --help`"),
        ("train gase", 2, "Did you mean 'gaze'", "see `eyecli train --help`"),
        ("train gaze --epoch 3", 2, "--epochs", "see `eyecli train gaze --help`"),
        ("train gaze --epochs many", 2, "'many' is not a valid int", "see `eyecli train gaze"),
        ("train", 2, "Missing command", "see `eyecli train --help`"),
        ("workspace show", 2, "Missing argument", "see `eyecli workspace show --help`"),
        ("workspace ls a b", 2, "unexpected extra argument", "see `eyecli workspace ls --help`"),
        ("workspace path model/gaze@v9", 3, "no version v9", "the latest is model/gaze@v1"),
        ("workspace path model/gase", 3, "no artifact model/gase", "did you mean 'model/gaze'?"),
        ("workspace path 'x y'", 2, "is no reference", "write kind/task"),
        ("train gaze --split kfold:1", 2, "is no split", "write holdout"),
        ("train gaze --fold 9", 2, "has the folds 0 to 3", ""),
        ("train gaze model/gaze", 3, "a prepared/gaze is needed here", ""),
        ("export coreml", 2, "has 4 folds: 0 to 3", "name one with --fold"),
        ("fetch sample gazes", 2, "no sample for 'gazes'", "did you mean 'gaze'?"),
        ("workspace alias model/gaze a/b", 2, "cannot be used in a reference", "use up to"),
        ("workspace alias model/gaze ../x", 2, "cannot be used in a reference", "use up to"),
    ],
)
def test_a_wrong_word_gets_one_line_and_a_way_out(
    chain: Chain, eyecli: Call, words: str, code: int, message: str, hint: str
) -> None:
    import shlex

    group = words.split()[0] not in ("trian",) and words != "train"
    place = ["--workspace", str(chain.root)] if group else []
    done = eyecli(*shlex.split(words), *place)
    assert (done.code, done.out) == (code, ""), done.err
    first, *rest = done.complaint
    assert first.startswith("error: ")
    assert message in first
    assert len(rest) == (1 if hint else len(rest))
    assert len(rest) <= 1
    assert all(hint in line for line in rest)
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        ("workspace path model/gase", 3, "data"),
        ("workspace path", 2, "usage"),
        ("workspace pth model/gaze", 2, "usage"),
        ("train gaze --epochs x", 2, "usage"),
    ],
)
def test_a_failure_is_json_too(
    chain: Chain, eyecli: Call, words: str, code: int, kind: str
) -> None:
    done = eyecli(*words.split(), "--json", "--workspace", chain.root)
    envelope = json.loads(done.out)
    assert envelope["ok"] is False
    assert (done.code, envelope["error"]["exit_code"], envelope["error"]["kind"]) == (
        code, code, kind
    )  # fmt: skip
    assert envelope["error"]["message"] in done.err
    assert done.err.startswith("error: ")


def test_a_traceback_only_with_debug(copy: Chain) -> None:
    # A manifest that is valid but makes no sense: nobody foresaw a number as a folder.
    path = copy.root / "source/gaze/v0001/manifest.json"
    path.chmod(0o644)
    manifest = json.loads(path.read_text())
    manifest["params"]["folder"] = 3
    path.write_text(json.dumps(manifest))
    plain = eyecli_process("preprocess", "gaze", cwd=copy.folder)
    assert plain.code == 1
    assert plain.complaint[0].startswith("error: unexpected TypeError")
    assert "--debug" in plain.complaint[1]
    assert "Traceback" not in plain.err
    debug = eyecli_process("preprocess", "gaze", "--debug", cwd=copy.folder)
    assert debug.code == 1
    assert "Traceback" in debug.err
    assert eyecli_process(
        "preprocess", "gaze", cwd=copy.folder, env={"EYECLI_DEBUG": "1"}
    ).err.count("Traceback")


@pytest.mark.parametrize("stage", CHAIN)
def test_stdin_is_never_read(chain: Chain, stage: str) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"not for you")
    os.close(writer)
    try:
        done = eyecli_process(*CHAIN[stage].split(), cwd=chain.folder, stdin=reader)
        assert done.code == 0
        assert os.read(reader, 100) == b"not for you"
    finally:
        os.close(reader)


def test_a_reader_that_leaves_early_is_no_error(chain: Chain) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-m", "eyecli", "workspace", "ls"], cwd=chain.folder,
        env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writer)
    assert process.communicate()[1] == ""
    shell = f"{sys.executable} -m eyecli workspace show model/gaze | head -1"
    done = subprocess.run(["bash", "-c", shell], cwd=chain.folder, env=environment(),
                          capture_output=True, text=True)  # fmt: skip
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_ctrl_c_ends_with_130_and_nothing_half_done(tmp_path: Path) -> None:
    words = [
        "fetch",
        "sample",
        "gaze-eyes",
        "--subjects",
        "300",
        "--frames",
        "9",
        "--folder",
        "data/x",
    ]
    process = subprocess.Popen([sys.executable, "-m", "eyecli", *words], cwd=tmp_path,
                               env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, preexec_fn=hear_ctrl_c)  # fmt: skip
    while not list(tmp_path.glob("data/.sample-*/data/left/*")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err.strip()) == (130, "", "interrupted")
    assert list((tmp_path / "data").iterdir()) == []
    done = eyecli_process("fetch", "sample", "gaze-eyes", "--subjects", "1", "--points", "2",
                          "--frames", "1", "--folder", "data/x", cwd=tmp_path)  # fmt: skip
    assert done.ref == "source/gaze@v1"


def test_a_sample_is_not_taken_for_another(eyecli: Call, tmp_path: Path) -> None:
    words = ("fetch", "sample", "gaze-eyes", "--points", "1", "--frames", "1", "--folder", "data")
    first = eyecli(*words, "--subjects", "1")
    assert eyecli(*words, "--subjects", "1").ref == first.ref
    for other in (("--subjects", "2"), ("--subjects", "1", "--seed", "1")):
        done = eyecli(*words, *other)
        assert done.code == 3
        assert "does not hold this sample" in done.complaint[0]


def dry_run(folder: Path, *words: str, env: dict[str, str] | None = None) -> str:
    """Return the number of samples that ``fetch sample --dry-run`` would make."""
    done = eyecli_process("fetch", "sample", "gaze-eyes", "--dry-run", *words, cwd=folder, env=env)
    assert done.code == 0, done.err
    return done.out.split()[0]


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    assert dry_run(tmp_path) == "800"
    (tmp_path / "eyecli-workspace").mkdir()
    (tmp_path / "eyecli-workspace/eyecli.toml").write_text("[fetch.sample]\nsubjects = 3\n")
    assert dry_run(tmp_path) == "300"
    env = {"EYECLI_FETCH_SAMPLE_SUBJECTS": "5"}
    assert dry_run(tmp_path, env=env) == "500"
    assert dry_run(tmp_path, "--subjects", "6", env=env) == "600"


@pytest.mark.parametrize("words", [["--workspace", "w"], ["--workspace=w"], []])
def test_the_file_of_the_named_workspace_counts(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w/eyecli.toml").write_text("[fetch.sample]\nsubjects = 2\n")
    assert dry_run(tmp_path, *words, env={} if words else {"EYECLI_WORKSPACE": "w"}) == "200"


def test_keys_are_spelt_like_flags(chain: Chain, copy: Chain) -> None:
    (copy.root / "eyecli.toml").write_text("[train.gaze]\nbatch-size = 7\ndry-run = true\n")
    done = eyecli_process("train", "gaze", cwd=copy.folder)
    assert done.code == 0
    assert done.out.startswith("would train")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[fetch.sample]\nsubject = 3", "has no setting 'subject'", "did you mean 'subjects'?"),
        ("[fetch.smaple]\nsubjects = 3", "has no setting 'smaple'", "did you mean 'sample'?"),
        ("[fetchh.sample]\nsubjects = 3", "has no setting 'fetchh'", "did you mean 'fetch'?"),
        ("[fetch]\nsubjects = 3", "has no setting 'subjects'", "known: "),
        ("subjects = 3", "'subjects' stands outside a table", "begin with a command"),
        ("[fetch.sample]\nsubjects = 'x'", "'x' is not a valid int", "see `eyecli fetch sample"),
        ("[fetch.sample\nsubjects = 3", "eyecli.toml: Expected ']'", ""),
        ("[fetch.sample]\nsubjects = \udcff", "eyecli.toml: 'utf-8' codec", ""),
    ],
)
def test_a_wrong_eyecli_toml_is_refused_with_its_place(
    eyecli: Call, tmp_path: Path, text: str, message: str, hint: str
) -> None:
    (tmp_path / "eyecli-workspace").mkdir()
    (tmp_path / "eyecli-workspace/eyecli.toml").write_bytes(text.encode(errors="surrogateescape"))
    done = eyecli("fetch", "sample", "gaze-eyes", "--dry-run")
    assert (done.code, done.out) == (2, "")
    first, *rest = done.complaint
    assert message in first
    assert [hint in line for line in rest] == ([True] if hint else [])


def test_log_lines_carry_a_time_in_batch_jobs_and_quiet_drops_them(chain: Chain) -> None:
    loud = eyecli_process("preprocess", "gaze", "--split", "kfold:4", cwd=chain.folder)
    assert loud.err
    assert loud.complaint == []
    quiet = eyecli_process("preprocess", "gaze", "--split", "kfold:4", "-q", cwd=chain.folder)
    assert (quiet.out, quiet.err) == (loud.out, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_break_nothing(chain: Chain, closed: str) -> None:
    line = f"{sys.executable} -m eyecli workspace ls {closed}"
    done = subprocess.run(["bash", "-c", line], cwd=chain.folder, env=environment(),
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == ""
    assert ("model/gaze@v1" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))


def test_ctrl_c_is_not_lost_in_training(chain: Chain, tmp_path: Path) -> None:
    """One Ctrl-C, at moments when TensorFlow and Keras trace, must end it."""
    for moment in (2.0, 3.0, 4.0):
        process = subprocess.Popen(
            [sys.executable, "-m", "eyecli", "train", "gaze", "--force", "--epochs", "5000"],
            cwd=chain.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, preexec_fn=hear_ctrl_c,
        )  # fmt: skip
        time.sleep(moment)
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
        assert (process.returncode, out) == (130, ""), (moment, err)
        # TensorFlow's own threads may have a word after ours.
        assert "interrupted" in err.splitlines()
        assert "Traceback" not in err


@pytest.mark.parametrize("name", ["EYECLI_VERSION", "EYECLI_HELP", "EYECLI_WORKSPACE_LS_HELP"])
def test_some_variables_are_no_flags(chain: Chain, name: str) -> None:
    done = eyecli_process("workspace", "ls", cwd=chain.folder, env={name: "1"})
    assert "model/gaze@v1" in done.out


def test_messages_stay_on_their_lines(tmp_path: Path) -> None:
    done = eyecli_process("fetch", "path", "a\nb\x1b[31mred", cwd=tmp_path)
    assert (done.code, len(done.complaint)) == (3, 2)
    assert "\x1b" not in done.err and "a\\nb\\x1b[31mred" in done.err


def test_a_full_stdout_is_no_traceback(chain: Chain) -> None:
    for words in ("workspace show model/gaze --json", "workspace show nope/x --json"):
        line = f"{sys.executable} -m eyecli {words} > /dev/full"
        done = subprocess.run(["bash", "-c", line], cwd=chain.folder, env=environment(),
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode != 0
        assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("train", "gaze", "--inputs", ""), ("train", "gaze", "--inputs="),
        ("train", "gaze", "--sweep", "epochs=1", "--sweep", ""), ("train", "gaze", "--split", ""),
        ("preprocess", "gaze", "--table", ""), ("evaluate", "--on", ""),
        ("fetch", "path", ""), ("workspace", "ls", "--workspace", ""),
        ("workspace", "ls", "--config", ""), ("workspace", "ls", "--config="),
        ("compare", "model/gaze", ""), ("fetch", "sample", "gaze-eyes", "--folder", ""),
    ],
)  # fmt: skip
def test_an_empty_argument_is_an_error(eyecli: Call, words: tuple[str, ...]) -> None:
    """A variable that is not set in somebody's script must not mean the default, or here."""
    done = eyecli(*words)
    assert (done.code, done.out) == (2, "") and "an empty argument" in done.complaint[0]
    assert list(Path().iterdir()) == []


def test_what_a_training_refuses_its_plan_refuses_and_nothing_is_left(
    copy: Chain, eyecli: Call
) -> None:
    runs = sorted((copy.root / "runs").rglob("*"))
    for words, message in (
        (("--inputs", ","), "--inputs: unknown ''"),
        (("--inputs", "boxes"), "--inputs: 'boxes' was not prepared"),
        (("--sweep", "inputs=eyes,boxes"), "--inputs: 'boxes' was not prepared"),
        (("--fold", "9"), "has the folds 0 to 3"),
        (("--seeds", "0..1", "--seed", "5"), "--seed is given and varied"),
    ):
        for dry in ((), ("--dry-run",)):
            done = eyecli("train", "gaze", *words, *dry, "--workspace", copy.root)
            assert (done.code, done.out) == (2, ""), done.err
            assert message in done.complaint[0]
    assert sorted((copy.root / "runs").rglob("*")) == runs
    done = eyecli_process("train", "gaze", "--inputs", "eyes", "--dry-run", cwd=copy.folder,
                          options=("-X", "importtime"))  # fmt: skip
    assert done.code == 0 and not done.imported & {"tensorflow", "keras"}
