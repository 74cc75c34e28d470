"""What a task supplies to the stages, and the table of all tasks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from eyecli.data.fields import Layout
from eyecli.data.prepared import Prepared
from eyecli.data.raw import RawReader
from eyecli.data.split import Split
from eyecli.training.settings import TrainSettings

NAMES = ("gaze", "dr")
# Tasks whose raw data are known by their layouts; those that are not in NAMES have no more yet.
RAW = ("gaze", "dr", "oct", "icp", "scanpath")


class Export(Protocol):
    """What a task supplies to `export coreml`, a module."""

    def contract(self, facts: dict[str, Any], setup: dict[str, Any]) -> Any:
        """Return the Core ML contract: units of inputs and outputs, description, metadata."""


@dataclass(frozen=True)
class Task:
    """What a task supplies; heavy modules are named and imported by the stage that needs them.

    Attributes
    ----------
    name
        As on the command line.
    title
        For help texts.
    layouts
        Raw layouts by name: how each is recognised, and its fields.
    read_raw
        From a source to samples.
    preprocess, train
        Settings of the two stages, dataclasses.
    check_train
        Refuses training settings that do not go with the prepared data and their split; light.
    learning, reporting, exporting, predicting
        Modules with what training, evaluation, export and prediction need; `predicting` is None
        where there is no such thing yet.
    """

    name: str
    title: str
    layouts: Mapping[str, Layout]
    read_raw: RawReader
    preprocess: type
    train: type[TrainSettings]
    check_train: Callable[[Any, Prepared, Split], None]
    learning: str
    reporting: str
    exporting: str
    predicting: str | None = None

    def module(self, name: str) -> Callable[[], Any]:
        """Return a function that imports one of the task's modules."""
        return lambda: importlib.import_module(name)


def load_task(name: str) -> Task:
    """Return a task by its name."""
    task: Task = importlib.import_module(f"eyecli.tasks.{name}.task").TASK
    return task


def all_layouts() -> dict[str, tuple[str, Layout]]:
    """Layout name to (task, layout), over all tasks."""
    return {name: (task, layout) for task in RAW for name, layout in layouts_of(task).items()}


def layouts_of(task: str) -> dict[str, Layout]:
    """Return the raw layouts of a task, by name."""
    layouts: dict[str, Layout] = importlib.import_module(f"eyecli.tasks.{task}.fields").LAYOUTS
    return layouts
