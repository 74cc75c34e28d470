from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.coreml.weights import append_blob, read_blob
from eyecli.errors import DataError


@given(st.lists(st.tuples(st.binary(max_size=200), st.integers(1, 9)), min_size=1, max_size=6))
def test_blobs_are_read_back(blobs: list[tuple[bytes, int]]) -> None:
    weights = bytearray()
    offsets = [append_blob(weights, raw, kind) for raw, kind in blobs]
    assert [read_blob(bytes(weights), at) for at in offsets] == blobs
    assert all(at % 64 == 0 for at in offsets)
    assert struct.unpack_from("<II", weights) == (len(blobs), 2)


def test_no_blob_is_said() -> None:
    weights = bytearray()
    offset = append_blob(weights, bytes(20))
    for content, at in ((weights, 0), (weights, 128), (weights[:-1], offset), (b"", 0)):
        with pytest.raises(DataError, match=f"no blob at {at}"):
            read_blob(bytes(content), at)
