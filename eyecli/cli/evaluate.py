"""``eyecli evaluate``: metrics with intervals, baselines, report."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Annotated

import typer

from eyecli.cli.contract import Result, Shell, command, published
from eyecli.cli.options import Fold, OtherData, OtherPeople, Reference
from eyecli.evaluation.require import check_requirements, parse_requirement
from eyecli.evaluation.stage import EvaluateSettings, evaluate
from eyecli.tasks.base import load_task
from eyecli.training.external import external_data, predictions_for
from eyecli.training.folds import find_model
from eyecli.training.refit import require_tested
from eyecli.workspace.lineage import input_of

log = logging.getLogger(__name__)

app = typer.Typer(add_completion=False)


@command(app, "evaluate", settings=(EvaluateSettings,))
def evaluate_model(
    shell: Shell,
    settings: EvaluateSettings,
    model: Reference = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            help="A bound such as 'auc>=0.95' or 'error_mean_px/subjects<=40', names as in "
            "metrics.csv; may be given several times. Exit code 4 if one is not met."
        ),
    ] = None,
    require_lower: Annotated[
        bool,
        typer.Option(
            "--require-lower", help="Ask it of the unfavourable end of the 95 % interval."
        ),
    ] = False,
    on: OtherData = None,
    fold: Fold = -1,
    other_people: OtherPeople = "",
) -> Result:
    """Metrics with 95 % intervals, trivial baselines on the same samples, report and plots.

    Reads stored predictions; prints the report's reference. Its first line says whether the model
    beats its baselines. The report is published whether or not what is required is met.

    With --on every row of other prepared data is predicted and judged: external validation.
    """
    requirements = [parse_requirement(text) for text in require or []]
    root = shell.open()
    artifact = find_model(root, model)
    shell.say_input(model, artifact.ref)
    if on is None:
        require_tested(artifact)
    prepared, split = input_of(root, artifact, "prepared"), input_of(root, artifact, "split")
    other = external_data(root, on, artifact, fold, other_people)
    if shell.dry_run:
        judged = other.ref if other else f"{prepared.ref}, {split.ref}"
        line = f"would evaluate {artifact.ref} on {judged}"
        return Result([line], {"model": artifact.ref, "prepared": prepared.ref, "split": split.ref,
                               "on": other and other.ref})  # fmt: skip
    task = load_task(artifact.manifest.task)
    predicted = predictions_for(root, task, artifact, other, fold, other_people)
    outcome = evaluate(
        root, task.module(task.reporting), predicted, artifact, prepared, split, settings,
        on=other, force=shell.force,
    )  # fmt: skip
    shell.say(outcome.artifact.manifest.summary["verdict"])
    shell.say(f"report: {outcome.artifact.path / 'report.html'}")
    answers = check_requirements(outcome.artifact.path, requirements, lower=require_lower)
    for answer in answers:
        if answer.met:
            shell.say(f"met: {answer.text}; {answer.why}")
        else:
            log.warning("NOT MET: %s; %s", answer.text, answer.why)
    result = published(outcome, exit_code=0 if all(answer.met for answer in answers) else 4)
    result.document["requirements"] = [asdict(answer) for answer in answers]
    return result
