from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import made_heads
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.coreml import combine, package, proto
from eyecli.coreml.combine import function_name, write_functions, write_pipeline
from eyecli.coreml.contract import Contract
from eyecli.coreml.heads.programs import OUTPUT, PROGRAMS
from eyecli.coreml.heads.template import write_head
from eyecli.coreml.interpreter import run
from eyecli.errors import DataError, UsageError
from eyecli.lazy import coremltools
from eyecli.mlprogram import WEIGHT_FILE, operations, programs

DIMS = 16
DIGEST = {"model_digest": "a" * 64}
USERS = dict(zip(PROGRAMS, ("ann", "Ünal K.", "2nd-user", "main"), strict=True))


def make_trunk(
    path: Path,
    target: str = "iOS16",
    digest: Mapping[str, str] = DIGEST,
    resize: bool = False,
    embedding: str = "embedding",
) -> Path:
    """A small network with the outputs of a gaze model; it needs no TensorFlow."""
    ct = coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    rng = np.random.default_rng(1)

    def kernel(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.sqrt(shape[1])).astype(np.float16)

    spec = mb.TensorSpec((1, 3, 8, 8), dtype=types.fp16)

    @mb.program(input_specs=[spec], opset_version=ct.target[target])
    def program(eye: Any) -> Any:
        if resize:
            eye = mb.resize_bilinear(x=eye, target_size_height=8, target_size_width=8)
            eye = mb.gather(x=eye, indices=np.array([2, 1, 0], np.int32), axis=1)
        x = mb.conv(x=eye, weight=kernel(DIMS, 3, 8, 8), pad_type="valid", name="features")
        x = mb.relu(x=x, name=embedding)
        gaze = mb.conv(x=x, weight=kernel(2, DIMS, 1, 1), pad_type="valid", name="gaze")
        return gaze, x

    model = ct.convert(
        program, convert_to="mlprogram", minimum_deployment_target=ct.target[target],
        compute_precision=ct.precision.FLOAT16, skip_model_load=True,
    )  # fmt: skip
    spec = model.get_spec()
    proto.describe(spec, Contract(description="Gaze."), digest)
    weights = (Path(model.weights_dir) / "weight.bin").read_bytes()
    return package.write(path, proto.serialise(spec), weights)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trunk(tmp_path_factory.mktemp("trunk") / "trunk.mlpackage")


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A head of every program, by user."""
    folder = tmp_path_factory.mktemp("heads")
    return {
        user: write_head(
            folder / f"{program}.mlpackage", made_heads.made(program, DIMS, 12), DIGEST
        )
        for program, user in USERS.items()
    }


@pytest.fixture(scope="module")
def eyes() -> dict[str, np.ndarray]:
    return {"eye": np.random.default_rng(2).normal(size=(5, 3, 8, 8))}


@pytest.mark.parametrize("half", [False, True])
def test_every_function_is_the_trunk_then_the_head(
    trunk: Path, heads: dict[str, Path], eyes: dict[str, np.ndarray], tmp_path: Path, half: bool
) -> None:
    path = write_functions(tmp_path / "all.mlpackage", trunk, heads)
    assert package.functions(path) == ["Unal_K_", "ann", "main", "user_2nd_user", "user_main"]
    between = run(trunk, eyes, half)
    assert set(run(path, eyes, half)) == {"gaze", "embedding"}
    for user, head in heads.items():
        out = run(path, eyes, half, function=function_name(user))
        expected = run(head, between, half) | between
        assert set(out) == {"gaze", "embedding", OUTPUT}
        for name, values in out.items():
            np.testing.assert_array_equal(values, expected[name])
    one = run(path, eyes, function="ann")[OUTPUT] - run(path, eyes, function="user_main")[OUTPUT]
    assert np.abs(one).min() > 1, "users have heads of their own"


def test_core_ml_reads_functions_as_its_own(
    trunk: Path, heads: dict[str, Path], tmp_path: Path
) -> None:
    """The same specification as that of coremltools, which names functions and shares weights."""
    from coremltools.models import MLModel
    from coremltools.models.utils import MultiFunctionDescriptor, load_spec, save_multifunction

    path = write_functions(tmp_path / "all.mlpackage", trunk, heads)
    spec = load_spec(str(path))
    assert MLModel(str(path), skip_model_load=True).get_spec().specificationVersion == 9
    description = spec.description
    assert description.defaultFunctionName == "main"
    assert description.metadata.userDefined["model_digest"] == "a" * 64
    assert not description.input and not description.output
    # What coremltools makes of two of ours: read, combined and written without a complaint.
    wanted = MultiFunctionDescriptor()
    for name in ("main", "ann"):
        wanted.add_function(str(path), name, name)
    wanted.default_function_name = "main"
    save_multifunction(wanted, str(tmp_path / "theirs.mlpackage"))
    theirs = load_spec(str(tmp_path / "theirs.mlpackage"))
    ours = {f.name: f for f in description.functions}
    for function in theirs.description.functions:
        assert function == ours[function.name]
        made, found = (s.mlProgram.functions[function.name] for s in (theirs, spec))
        assert made.opset == found.opset == "CoreML8"
        assert made.inputs == found.inputs
        blocks = [f.block_specializations["CoreML8"] for f in (made, found)]
        assert blocks[0].outputs == blocks[1].outputs
        kinds = [[op.type for op in b.operations if op.type != "const"] for b in blocks]
        assert kinds[0] == kinds[1]


def test_the_weights_of_the_trunk_are_stored_once(
    trunk: Path, heads: dict[str, Path], tmp_path: Path
) -> None:
    path = write_functions(tmp_path / "all.mlpackage", trunk, heads)
    stored, whole = (trunk / "Data" / WEIGHT_FILE).read_bytes(), path / "Data" / WEIGHT_FILE
    parts = [h / "Data" / WEIGHT_FILE for h in heads.values()]
    added = sum(p.stat().st_size for p in parts)
    content = whole.read_bytes()
    assert content[64 : len(stored)] == stored[64:]
    assert len(content) < len(stored) + added + 64
    same = dict.fromkeys(("bob", "cem"), heads["ann"])
    double = write_functions(tmp_path / "double.mlpackage", trunk, same) / "Data" / WEIGHT_FILE
    assert double.stat().st_size == len(stored) + -len(stored) % 64 + (
        (heads["ann"] / "Data" / WEIGHT_FILE).stat().st_size - 64
    )


def test_equal_parts_give_equal_bytes(trunk: Path, heads: dict[str, Path], tmp_path: Path) -> None:
    backwards = dict(reversed(heads.items()))
    one = write_functions(tmp_path / "one.mlpackage", trunk, heads)
    two = write_functions(tmp_path / "two.mlpackage", trunk, backwards)
    assert package.digest(one) == package.digest(two)
    for name in "ab":
        write_pipeline(tmp_path / f"{name}.mlpackage", trunk, heads["ann"])
    assert package.digest(tmp_path / "a.mlpackage") == package.digest(tmp_path / "b.mlpackage")


def test_a_wrong_offset_shows(
    trunk: Path, eyes: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user with the blobs of another, which are of the same sizes."""
    heads = {
        user: write_head(
            tmp_path / f"{user}.mlpackage", made_heads.made("mlp", DIMS, 12, seed), DIGEST
        )
        for seed, user in enumerate(("ann", "bob"))
    }
    right = write_functions(tmp_path / "right.mlpackage", trunk, heads)
    first: dict[int, int] = {}
    append = combine.append_blob

    def faulty(weights: bytearray, raw: bytes, kind: int) -> int:
        return first.setdefault(len(raw), append(weights, raw, kind))

    monkeypatch.setattr(combine, "append_blob", faulty)
    wrong = write_functions(tmp_path / "wrong.mlpackage", trunk, heads)
    for user, differs in (("ann", False), ("bob", True)):
        gap = run(wrong, eyes, function=user)[OUTPUT] - run(right, eyes, function=user)[OUTPUT]
        assert (np.abs(gap).max() > 1) == differs


def test_names_of_the_head_give_way(trunk: Path, heads: dict[str, Path], tmp_path: Path) -> None:
    """The trunk has a value `features`, as every head has."""
    path = write_functions(tmp_path / "all.mlpackage", trunk, heads)
    for function in package.read(path).mlProgram.functions.values():
        block = function.block_specializations[function.opset]
        names = [o.name for op in operations(block) for o in op.outputs]
        assert len(names) == len(set(names))
        for op in operations(block):
            (said,) = op.attributes["name"].immediateValue.tensor.strings.values
            assert said == op.outputs[0].name or not said.startswith("head_")


def test_an_older_trunk_is_raised_only_where_it_stays_the_same(
    heads: dict[str, Path], eyes: dict[str, np.ndarray], tmp_path: Path
) -> None:
    old = make_trunk(tmp_path / "old.mlpackage", "iOS16", resize=True)
    with pytest.raises(UsageError, match="older system, and gather changed until iOS 18") as caught:
        write_functions(tmp_path / "no.mlpackage", old, heads)
    assert "--deployment-target iOS18" in str(caught.value.hint)
    assert not (tmp_path / "no.mlpackage").exists()
    new = make_trunk(tmp_path / "new.mlpackage", "iOS18")
    path = write_functions(tmp_path / "yes.mlpackage", new, heads)
    assert OUTPUT in run(path, eyes, function="ann")


def test_a_pipeline_is_that_of_coremltools_with_the_outputs_of_the_trunk(
    trunk: Path, heads: dict[str, Path], tmp_path: Path
) -> None:
    from coremltools.models import MLModel
    from coremltools.models.utils import load_spec, make_pipeline

    head = heads["ann"]
    path = write_pipeline(tmp_path / "both.mlpackage", trunk, head)
    ours = load_spec(str(path))
    theirs = make_pipeline(*(MLModel(str(p), skip_model_load=True) for p in (trunk, head)))
    assert ours.pipeline == theirs.get_spec().pipeline
    assert ours.description.input == theirs.get_spec().description.input
    assert ours.specificationVersion == theirs.get_spec().specificationVersion
    assert [o.name for o in ours.description.output] == ["gaze", "embedding", OUTPUT]
    assert ours.description.output[-1] == theirs.get_spec().description.output[-1]
    for number, part in enumerate((trunk, head)):
        file = path / "Data" / Path(WEIGHT_FILE).with_name(f"{number}-weight.bin")
        assert file.read_bytes() == (part / "Data" / WEIGHT_FILE).read_bytes()
    assert [name for name, _ in programs(package.read(path))] == ["0", "1"]
    assert ours.description.metadata.userDefined["head.model_digest"] == "a" * 64


def test_a_head_of_another_model_is_refused(
    trunk: Path, heads: dict[str, Path], tmp_path: Path
) -> None:
    other = write_head(tmp_path / "other.mlpackage", made_heads.made("mlp", DIMS),
                       {"model_digest": "b" * 64})  # fmt: skip
    silent = write_head(tmp_path / "silent.mlpackage", made_heads.made("mlp", DIMS))
    mute = make_trunk(tmp_path / "mute.mlpackage", digest={})
    with pytest.raises(DataError, match=r"other\.mlpackage is for model bbbbbbbbbbbb, .* is aaaa"):
        write_functions(tmp_path / "x.mlpackage", trunk, heads | {"zoe": other})
    for first, second in ((trunk, silent), (mute, silent), (mute, heads["ann"])):
        with pytest.raises(DataError, match=r"\(unknown\)"):
            write_pipeline(tmp_path / "x.mlpackage", first, second)
    assert not (tmp_path / "x.mlpackage").exists()


def test_what_does_not_fit_is_refused(trunk: Path, heads: dict[str, Path], tmp_path: Path) -> None:
    wide = write_head(tmp_path / "wide.mlpackage", made_heads.made("linear", 17), DIGEST)
    with pytest.raises(DataError, match=r"needs embedding as float16 \(1, 17, 1, 1\), .*16, 1, 1"):
        write_pipeline(tmp_path / "x.mlpackage", trunk, wide)
    nameless = make_trunk(tmp_path / "nameless.mlpackage", embedding="code")
    with pytest.raises(DataError, match=r"needs embedding as .* has none"):
        write_functions(tmp_path / "x.mlpackage", nameless, heads)
    with pytest.raises(DataError, match="is no head: its inputs are eye"):
        write_pipeline(tmp_path / "x.mlpackage", trunk, trunk)
    many = write_functions(tmp_path / "many.mlpackage", trunk, heads)
    both = write_pipeline(tmp_path / "both.mlpackage", trunk, heads["ann"])
    for combined, found in ((many, "has .*ann"), (both, "has a pipeline")):
        with pytest.raises(DataError, match=f"cannot be combined: .*{found}"):
            write_functions(tmp_path / "x.mlpackage", combined, heads)
    broken = tmp_path / "broken.mlpackage"
    shutil.copytree(heads["ann"], broken)
    (broken / "Data" / WEIGHT_FILE).write_bytes(b"")
    with pytest.raises(DataError, match=r"weight\.bin is damaged"):
        write_functions(tmp_path / "x.mlpackage", trunk, {"ann": broken})
    assert not (tmp_path / "x.mlpackage").exists()


def test_two_users_do_not_share_a_function(trunk: Path, heads: dict[str, Path]) -> None:
    head = heads["ann"]
    with pytest.raises(UsageError, match="users 's 1' and 's-1' would both have the function s_1"):
        write_functions(Path("x.mlpackage"), trunk, {"s-1": head, "s 1": head})
    with pytest.raises(UsageError, match="needs a user's head"):
        write_functions(Path("x.mlpackage"), trunk, {})


@given(st.text())
def test_function_names_are_identifiers(user: str) -> None:
    name = function_name(user)
    assert name.isascii() and name.isidentifier() and name != "main"
