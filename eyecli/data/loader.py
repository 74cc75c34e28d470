"""Batches for training and inference: rows of arrays, augmented reproducibly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from eyecli.data.arrays import Arrays

Row = dict[str, np.ndarray]
# From one sample's stored arrays and its generator to what the model takes, scaled as `scale` does.
Augment = Callable[[Row, np.random.Generator], Row]


class Loader:
    """Batches of samples; safe to be used by several threads.

    Order and augmentation depend only on (seed, epoch, row), and on the place in the order where
    rows are drawn with replacement, so that a run can be taken up again at any batch and two
    machines see the same samples.

    Parameters
    ----------
    arrays, names
        The store and which of its arrays to read.
    rows
        Row numbers of the samples.
    scale
        From stored arrays (batch, ...) to what the model takes, where nothing is augmented.
    batch_size
        Samples a batch; the last may be smaller.
    targets
        Output name to (len(arrays), ...) targets; None for inference.
    augment
        Scales and changes one sample; None leaves samples and their order as they are.
    seed
        Seed of order and augmentation.
    chances
        From an epoch to the chance of each of `rows` to be drawn in it, with replacement; None
        shows each of them once.
    """

    def __init__(
        self,
        arrays: Arrays,
        names: Sequence[str],
        rows: np.ndarray,
        scale: Callable[[Row], Row],
        batch_size: int,
        targets: Mapping[str, np.ndarray] | None = None,
        augment: Augment | None = None,
        seed: int = 0,
        chances: Callable[[int], np.ndarray] | None = None,
    ) -> None:
        self.arrays = arrays
        self.names = list(names)
        self.rows = np.asarray(rows)
        self.scale = scale
        self.batch_size = batch_size
        self.targets = targets
        self.augment = augment
        self.seed = seed
        self.chances = chances

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Rows in the order of an epoch."""
        if self.augment is None:
            return self.rows
        rng = np.random.default_rng([self.seed, epoch])
        if self.chances is None:
            return rng.permutation(self.rows)
        return rng.choice(self.rows, len(self.rows), p=self.chances(epoch))

    def batch(self, number: int, epoch: int = 0) -> tuple[Row, Row]:
        """Return the inputs and targets of one batch of an epoch; no targets for inference."""
        first = number * self.batch_size
        rows = self.order(epoch)[first : first + self.batch_size]
        stored = {name: self.arrays.take(name, rows) for name in self.names}
        inputs = (
            self.scale(stored)
            if self.augment is None
            else self._augmented(stored, rows, epoch, first)
        )
        return inputs, {name: values[rows] for name, values in (self.targets or {}).items()}

    def _augmented(self, stored: Row, rows: np.ndarray, epoch: int, first: int) -> Row:
        assert self.augment is not None
        # A row that is drawn twice in an epoch is changed in two ways.
        places = [[] if self.chances is None else [first + i] for i in range(len(rows))]
        samples = (
            self.augment(
                {name: values[i] for name, values in stored.items()},
                np.random.default_rng([self.seed, epoch, int(row), *places[i]]),
            )
            for i, row in enumerate(rows)
        )
        return _stacked(samples, len(rows))


def _stacked(samples: Iterable[Row], number: int) -> Row:
    """Stack samples as they come: held one by one first, they cost more than to be made."""
    stacks: Row = {}
    for place, sample in enumerate(samples):
        for name, values in sample.items():
            if name not in stacks:
                stacks[name] = np.empty((number, *values.shape), values.dtype)
            stacks[name][place] = values
    return stacks
