"""Data loss and effective rate from the table of sessions."""

from __future__ import annotations

import pandas as pd
import pytest
from face_data import predictions, with_sessions

from eyecli.data.prepared import Prepared
from eyecli.tasks.gaze.recordings import (
    recording_metrics,
    recording_notes,
    sessions_of_rows,
)

pytest_plugins = ["rendered_gaze"]

# Ann: 60 of 80 frames in two sessions of other rates; bob half; cho is not judged.
SESSIONS = pd.DataFrame(
    [("ann", "1", "a", 30.0, 60, 45), ("ann", "2", "b", 10.0, 20, 15),
     ("bob", "1", "b", 20.0, 40, 20), ("cho", "1", "a", 30.0, 9, 0)],
    columns=["subject", "session", "device", "rate_hz", "shown", "kept"],
)  # fmt: skip
JUDGED = pd.DataFrame({"subject": ["bob", "ann", "ann"], "session": ["1", "2", "2"]})


def test_loss_and_rate_by_hand() -> None:
    found = {(m.metric, m.group): m for m in recording_metrics(SESSIONS, JUDGED)}
    assert {key: (m.value, m.n) for key, m in found.items()} == {
        ("data_loss_share", "subjects"): (pytest.approx((0.25 + 0.5) / 2), 2),
        ("effective_rate_hz", "subjects"): (pytest.approx((60 / 4 + 20 / 2) / 2), 2),
        ("data_loss_share", "device=a"): (0.25, 1),
        ("effective_rate_hz", "device=a"): (pytest.approx(45 / 2), 1),
        ("data_loss_share", "device=b"): (pytest.approx((0.25 + 0.5) / 2), 2),
        ("effective_rate_hz", "device=b"): (pytest.approx((15 / 2 + 20 / 2) / 2), 2),
    }
    assert {m.predictor for m in found.values()} == {"recordings"}
    loss = found["data_loss_share", "subjects"]
    assert (loss.lo, loss.hi) == (0.25, 0.5), "people are resampled"
    assert found["data_loss_share", "device=a"].lo is None, "one person"


def test_sessions_without_a_settled_frame_have_no_figure() -> None:
    nothing = SESSIONS.assign(shown=0, kept=0)
    assert recording_metrics(nothing, JUDGED) == []
    one = SESSIONS.assign(shown=[60, 20, 0, 9], kept=[45, 15, 0, 0])
    assert {m.n for m in recording_metrics(one, JUDGED)} == {1}


def test_unnamed_devices_have_no_row_of_their_own() -> None:
    found = recording_metrics(SESSIONS.assign(device=["a", "", "", "a"]), JUDGED)
    assert {(m.group, m.n) for m in found} == {("subjects", 2), ("device=a", 1)}


def test_sessions_follow_their_rows() -> None:
    assert sessions_of_rows(SESSIONS, JUDGED)["rate_hz"].tolist() == [20, 10, 10]


def test_subjects_without_a_usable_frame_are_counted(faces: Prepared) -> None:
    sessions = faces.sessions
    assert sessions is not None
    assert "no usable frame" not in " ".join(recording_notes(sessions, faces))
    more = pd.concat([sessions, sessions.iloc[:1].assign(subject="dan", kept=0)])
    said = " ".join(recording_notes(more, with_sessions(faces, more)))
    assert "1 of the subjects recorded have no usable frame" in said and "dan" not in said


def test_other_data_have_no_sessions(prepared: Prepared, faces: Prepared) -> None:
    assert prepared.sessions is None
    sessions = faces.sessions
    assert sessions is not None
    assert set(sessions["device"]) == {"tablet-11", "6"}, "names stay text"
    found = {m.metric for m in recording_metrics(sessions, predictions(faces))}
    assert found == {"data_loss_share", "effective_rate_hz"}
    phones = with_sessions(faces, sessions[sessions["device"] == "6"]).sessions
    assert phones is not None and set(phones["device"]) == {"6"}, "alone too"


def test_a_session_of_one_frame_has_no_rate_and_takes_none_from_the_others(
    faces: Prepared,
) -> None:
    """Its blank makes text of the whole column when the table is read."""
    sessions = faces.sessions
    assert sessions is not None
    alone = sessions.iloc[:1].assign(session="one frame", rate_hz=None, shown=0, kept=0)
    read = with_sessions(faces, pd.concat([sessions, alone])).sessions
    assert read is not None
    judged = predictions(faces)
    assert recording_metrics(read, judged) == recording_metrics(sessions, judged)
