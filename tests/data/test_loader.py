from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.arrays import Arrays, ArraySpec, ArrayWriter
from eyecli.data.loader import Loader, Row

ROWS = 23
TARGETS = {"gaze": np.arange(2.0 * ROWS).reshape(ROWS, 2)}


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    """Row i holds the number i, so that a sample tells which row it is."""
    folder = tmp_path_factory.mktemp("rows")
    writer = ArrayWriter(folder, {"row": ArraySpec((1,), "float32")}, shard_bytes=16)
    for i in range(ROWS):
        writer.append({"row": np.array([i], np.float32)})
    writer.close()
    return Arrays(folder)


def noise(sample: Row, rng: np.random.Generator) -> Row:
    """Keep the row and add what augmentation drew."""
    return {"row": np.concatenate([sample["row"], rng.normal(size=3)])}


def greedy(sample: Row, rng: np.random.Generator) -> Row:
    """Draw a different number of numbers for every sample."""
    rng.normal(size=int(sample["row"][0]))
    return noise(sample, rng)


def collect(loader: Loader, epoch: int = 0) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Row number to (sample, target) over an epoch."""
    found = {}
    for i in range(len(loader)):
        inputs, targets = loader.batch(i, epoch)
        for sample, target in zip(inputs["row"], targets["gaze"], strict=True):
            assert int(sample[0]) not in found, "a row came twice"
            found[int(sample[0])] = sample, target
    return found


def make(arrays: Arrays, rows: np.ndarray, batch: int = 5, **options: object) -> Loader:
    values: dict = {"targets": TARGETS, "augment": noise, "seed": 7} | options
    return Loader(arrays, ["row"], rows, lambda x: x, batch, **values)


@settings(deadline=None)
@given(st.permutations(range(ROWS)), st.integers(1, 30), st.integers(1, ROWS), st.integers(0, 3))
def test_a_sample_depends_on_seed_epoch_and_row_only(
    arrays: Arrays, order: list[int], batch: int, count: int, epoch: int
) -> None:
    whole = make(arrays, np.arange(ROWS), augment=greedy)
    other = make(arrays, np.array(order[:count]), batch, augment=greedy)
    expected, found = collect(whole, epoch), collect(other, epoch)
    assert found.keys() == set(order[:count])
    for row, (sample, target) in found.items():
        np.testing.assert_array_equal(sample, expected[row][0])
        np.testing.assert_array_equal(target, TARGETS["gaze"][row])


def test_a_batch_can_be_taken_up_anywhere(arrays: Arrays) -> None:
    forwards, backwards = make(arrays, np.arange(ROWS)), make(arrays, np.arange(ROWS))
    late = [backwards.batch(i)[0]["row"] for i in reversed(range(len(backwards)))][::-1]
    for i in range(len(forwards)):
        np.testing.assert_array_equal(forwards.batch(i)[0]["row"], late[i])


def test_epochs_and_seeds_differ(arrays: Arrays) -> None:
    made = [(make(arrays, np.arange(ROWS), seed=seed), epoch) for seed, epoch in
            ((7, 0), (7, 1), (8, 0))]  # fmt: skip
    orders = [loader.order(epoch).tolist() for loader, epoch in made]
    samples = [collect(loader, epoch)[3][0].tolist() for loader, epoch in made]
    for seen in (orders, samples):
        assert seen[0] != seen[1] and seen[0] != seen[2] and seen[1] != seen[2]
    assert all(sorted(order) == list(range(ROWS)) for order in orders)


def test_without_augmentation_the_order_stays(arrays: Arrays) -> None:
    rows = np.array([5, 2, 9, 9, 0])
    loader = make(arrays, rows, 2, augment=None, targets=None)
    for epoch in range(2):
        batches = [loader.batch(i, epoch) for i in range(len(loader))]
        assert all(not targets for _, targets in batches)
        assert np.concatenate([b[0]["row"][:, 0] for b in batches]).tolist() == rows.tolist()


@pytest.mark.parametrize(
    ("batch", "sizes"), [(5, [5, 5, 5, 5, 3]), (23, [23]), (24, [23]), (1, [1] * 23)]
)
def test_the_last_batch_may_be_smaller(arrays: Arrays, batch: int, sizes: list[int]) -> None:
    loader = make(arrays, np.arange(ROWS), batch)
    batches = [loader.batch(i) for i in range(len(loader))]
    assert [len(targets["gaze"]) for _, targets in batches] == sizes
    assert [len(inputs["row"]) for inputs, _ in batches] == sizes


def test_scaling_is_the_augmentations_where_there_is_one(arrays: Arrays) -> None:
    def add(sample: Row, rng: np.random.Generator) -> Row:
        return {"row": sample["row"] + 1000}

    for augment, expected in ((None, [100, 101, 102, 103]), (add, [1000, 1001, 1002, 1003])):
        loader = Loader(arrays, ["row"], np.arange(4), lambda x: {"row": x["row"] + 100}, 4,
                        augment=augment)  # fmt: skip
        assert sorted(loader.batch(0)[0]["row"][:, 0].tolist()) == expected


def test_chances_draw_rows_again_in_each_epoch_the_same_way(arrays: Arrays) -> None:
    rows = np.arange(5, ROWS)
    chance = np.where(rows < 8, 0.3, 0.1 / (len(rows) - 3))

    def chances(epoch: int) -> np.ndarray:
        return chance if epoch < 50 else np.full(len(rows), 1 / len(rows))

    loader, again = (make(arrays, rows, chances=chances) for _ in range(2))
    again.batch(2, 7)
    drawn = np.concatenate([loader.order(epoch) for epoch in range(50)])
    assert set(drawn) <= set(rows) and len(drawn) == 50 * len(rows)
    assert (drawn < 8).mean() == pytest.approx(0.9, abs=0.03)
    late = np.concatenate([loader.order(epoch) for epoch in range(50, 100)])
    assert (late < 8).mean() == pytest.approx(3 / len(rows), abs=0.03)
    assert not np.array_equal(loader.order(0), loader.order(1))
    for number in range(len(loader)):
        one, two = (each.batch(number, 3) for each in (loader, again))
        np.testing.assert_array_equal(one[0]["row"], two[0]["row"])
        np.testing.assert_array_equal(
            one[1]["gaze"], TARGETS["gaze"][one[0]["row"][:, 0].astype(int)]
        )


def test_a_row_drawn_twice_is_changed_in_two_ways(arrays: Arrays) -> None:
    loader = make(arrays, np.arange(2), batch=1, chances=lambda epoch: np.array([1.0, 0.0]))
    first, second = (loader.batch(number)[0]["row"][0] for number in (0, 1))
    assert first[0] == second[0] == 0 and not np.array_equal(first, second)
