from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from eyecli.lazy import coremltools, without
from eyecli.mlprogram import coreml_messages


def output(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_messages_come_without_coremltools_which_still_imports_afterwards() -> None:
    assert (
        output(
            "import sys; from eyecli.lazy import coremltools\n"
            "from eyecli.mlprogram import coreml_messages\n"
            "ours = coreml_messages('Model_pb2').Model(specificationVersion=7)\n"
            "assert 'coremltools' not in sys.modules\n"
            "ct = coremltools()\n"
            "theirs = ct.proto.Model_pb2.Model()\n"
            "theirs.CopyFrom(ours)\n"
            "assert coreml_messages('Model_pb2') is ct.proto.Model_pb2\n"
            "assert not {'tensorflow', 'sklearn'} & set(sys.modules)\n"
            "print(theirs.specificationVersion, ct.__version__.split('.')[0])\n"
        )
        == "7 9"
    )


def test_messages_of_a_loaded_coremltools_are_used() -> None:
    import coremltools

    assert coreml_messages("MIL_pb2") is coremltools.proto.MIL_pb2


def test_tensorflow_is_hidden_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with without("tensorflow"), pytest.raises(ImportError):
        import tensorflow  # noqa: F401
    assert "tensorflow" not in sys.modules
    with pytest.raises(RuntimeError), without("tensorflow"):
        raise RuntimeError
    assert "tensorflow" not in sys.modules


def test_a_loaded_tensorflow_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = ModuleType("tensorflow")
    monkeypatch.setitem(sys.modules, "tensorflow", loaded)
    with without("tensorflow"):
        assert sys.modules["tensorflow"] is loaded
    assert sys.modules["tensorflow"] is loaded


def test_coremltools_finds_tensorflow_that_came_later(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow  # noqa: F401
    from coremltools import _deps

    monkeypatch.setattr(_deps, "_HAS_TF", False)
    fresh = coremltools()
    assert fresh._deps is not _deps and fresh._deps._HAS_TF
    assert coremltools() is fresh
