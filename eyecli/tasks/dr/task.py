"""The dr task, as the stages see it."""

from __future__ import annotations

from eyecli.tasks.base import Task
from eyecli.tasks.dr.fields import LAYOUTS
from eyecli.tasks.dr.layouts import read_raw
from eyecli.tasks.dr.settings import DrPreprocess, DrTrain, check_train

TASK = Task(
    name="dr",
    title="Diabetic retinopathy in fundus photographs",
    layouts=LAYOUTS,
    read_raw=read_raw,
    preprocess=DrPreprocess,
    train=DrTrain,
    check_train=check_train,
    learning="eyecli.tasks.dr.learning",
    reporting="eyecli.tasks.dr.reporting",
    exporting="eyecli.tasks.dr.exporting",
    predicting="eyecli.tasks.dr.predicting",
)
