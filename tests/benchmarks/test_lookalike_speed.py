"""Candidates by one matrix product against hashes compared pair by pair, as with `imagehash`."""

from __future__ import annotations

import time

import numpy as np
import pytest

from eyecli.data.fingerprints import FORMS, nearest

N = 400


@pytest.mark.benchmark
def test_candidates_are_found_faster_than_pair_by_pair() -> None:
    rng = np.random.default_rng(0)
    prints = rng.normal(size=(N, len(FORMS), 107)).astype(np.float32)
    prints /= np.linalg.norm(prints, axis=2, keepdims=True)
    hashes = prints[:, :, :64] > 0
    rows = np.arange(N)
    start = time.perf_counter()
    list(nearest(prints, prints[:, 0], 4, 0.4, (rows, rows)))
    ours = time.perf_counter() - start
    start = time.perf_counter()
    for a in range(0, N, 10):
        for b in range(N):
            min(int(np.count_nonzero(hashes[a, form] != hashes[b, 0])) for form in range(8))
    theirs = 10 * (time.perf_counter() - start)
    print(f"{N} images: {ours:.3f} s, pair by pair {theirs:.1f} s, {theirs / ours:.0f} times")
    assert theirs > 5 * ours
