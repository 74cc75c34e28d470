"""The gaze task, as the stages see it."""

from __future__ import annotations

from eyecli.tasks.base import Task
from eyecli.tasks.gaze.fields import LAYOUTS
from eyecli.tasks.gaze.layouts import read_raw
from eyecli.tasks.gaze.settings import GazePreprocess, GazeTrain, check_train

TASK = Task(
    name="gaze",
    title="Gaze estimation from eye and face images",
    layouts=LAYOUTS,
    read_raw=read_raw,
    preprocess=GazePreprocess,
    train=GazeTrain,
    check_train=check_train,
    learning="eyecli.tasks.gaze.learning",
    reporting="eyecli.tasks.gaze.reporting",
    exporting="eyecli.tasks.gaze.exporting",
)
