"""What a task finds in a source before it decodes a pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eyecli.data.arrays import ArraySpec
from eyecli.sources.source import Source

# Returns the bytes of a source file, checked against its digest.
Read = Callable[[str], bytes]


@dataclass(frozen=True)
class Raw:
    """The samples of a source.

    Attributes
    ----------
    table
        One dict a sample: ``sample``, ``subject`` ('' if unknown) and the task's columns.
    files
        For every sample the files it is made of, relative to the source.
    specs
        The arrays that will be written.
    convert
        From a sample's position and a reader to its row of every array.
    setup
        What training and export must know: sizes, units, screen.
    problems
        What is wrong, each with file, row and field; empty if all is well.
    strata
        The column whose classes every part of a split should have like shares of.
    targets
        Numeric columns of the table that a model is to predict.
    identifying
        Arrays whose pixels could show who somebody is; the dataset card leaves them out.
    dropped
        Reason to number of samples that were left out.
    where
        For every sample the file, and the row if that is a table, where a person finds it; or
        nothing at all.
    details
        For every sample all that its source says of it (a row of a table, say), apart from where
        it says so: with its files, all that it is made of. Or nothing at all: then any file of
        the source may matter to it.
    sessions
        Of recordings, a row each: subject, session and what is known of it.
    exhibits
        Caption and picture of some of what was left out, for the contact sheet.
    left_out
        File, place in it and reason of what was left out though it could have been a sample.
    doubtful
        The same of samples that are kept, though something about them does not fit.
    extract
        Where only slow work on the pixels tells which samples there are (faces in video): makes
        the final samples of what is listed here, keeping arrays in the folder it is given.
        `table` then lists what is expected, with all subjects; `specs` and `setup` are final.
    restrict
        Where there is `extract` and files tell of several samples (a table): the same of some
        samples, by their positions. Else a source of their files alone is read for that.
    """

    table: Sequence[Mapping[str, Any]]
    files: Sequence[Sequence[str]]
    specs: Mapping[str, ArraySpec]
    convert: Callable[[int, Read], dict[str, np.ndarray]]
    setup: dict[str, Any]
    problems: list[str] = field(default_factory=list)
    strata: str | None = None
    targets: Sequence[str] = ()
    identifying: Sequence[str] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    where: Sequence[str] = ()
    details: Sequence[Mapping[str, Any]] = ()
    sessions: Sequence[Mapping[str, Any]] = ()
    exhibits: Sequence[tuple[str, np.ndarray]] = ()
    left_out: Sequence[tuple[str, str, str]] = ()
    doubtful: Sequence[tuple[str, str, str]] = ()
    extract: Callable[[Path], Raw] | None = None
    restrict: Callable[[Sequence[int]], Raw] | None = None


RawReader = Callable[[Source, Any], Raw]
