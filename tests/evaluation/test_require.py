from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.errors import UsageError
from eyecli.evaluation.require import check_requirements, parse_requirement

TABLE = """predictor,metric,group,value,lo,hi,n
model,auc,images,0.96,0.93,0.98,400
model,error_mean_px,frames,30.0,27.0,33.0,155
model,error_mean_px,subjects,31.0,,,1
model,error_mean_px,device=Tab 11,28.0,20.0,36.0,80
model,error_mean_px,subject=ann17,29.0,,,80
constant,auc,images,0.5,0.5,0.5,400
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "metrics.csv").write_text(TABLE)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "lower", "met"),
    [
        ("auc>=0.95", False, True),
        ("auc >= 0.95", True, False),
        ("auc>=0.93", True, True),
        ("auc>0.96", False, False),
        ("auc<0.99", True, True),
        ("auc<0.97", True, False),
        ("error_mean_px/frames<=30", False, True),
        ("error_mean_px/frames<=32", True, False),
        ("error_mean_px/subjects<=40", False, True),
        ("error_mean_px/device=Tab 11<=28", False, True),
        ("error_mean_px/device=Tab 11 <= 28", True, False),
        # What has no interval is not shown.
        ("error_mean_px/subjects<=40", True, False),
    ],
)
def test_a_bound_is_asked_of_the_figure_or_of_its_bad_end(
    folder: Path, text: str, lower: bool, met: bool
) -> None:
    (answer,) = check_requirements(folder, [parse_requirement(text)], lower=lower)
    assert answer.met is met


def test_the_answer_names_the_figure(folder: Path) -> None:
    (answer,) = check_requirements(folder, [parse_requirement("auc>=0.95")], lower=True)
    assert answer.why == "auc/images is 0.93 (lower end of the interval)"
    assert answer.figure == 0.93


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "acu>=0.9",
            "did you mean 'auc'?; it has auc, error_mean_px; other units need what "
            "`preprocess` must know for them, such as --screen-cm and --distance-cm",
        ),
        # People are not listed.
        (
            "error_mean_px<=30",
            "error_mean_px/frames, error_mean_px/subjects, error_mean_px/device=Tab 11",
        ),
        ("auc/frames>=0.9", "auc/images"),
    ],
)
def test_a_metric_must_be_one_of_the_report(folder: Path, text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_requirements(folder, [parse_requirement(text)], lower=False)
    assert caught.value.hint == hint


@pytest.mark.parametrize("text", ["", "auc", "auc=0.9", "auc>=", ">=0.9", "auc>=high", "a b>=1"])
def test_anything_else_is_no_requirement(text: str) -> None:
    with pytest.raises(UsageError, match="is no requirement"):
        parse_requirement(text)


@given(
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
    st.none() | st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.sampled_from([">=", "<=", ">", "<"]),
    st.floats(-1e6, 1e6),
)
def test_what_is_written_is_read(metric: str, group: str | None, sign: str, bound: float) -> None:
    text = f"{metric}{'/' + group if group else ''}{sign}{bound!r}"
    found = parse_requirement(text)
    assert (found.metric, found.group, found.sign, found.bound) == (metric, group, sign, bound)
