"""What `eyecli predict` refuses before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Callable

from conftest import Chain
from shell import Done


def test_a_model_of_a_task_that_it_does_not_know_is_refused(
    chain: Chain, eyecli: Callable[..., Done]
) -> None:
    done = eyecli("predict", chain.folder, "--workspace", chain.root)
    assert done.code == 2 and not done.out
    assert "predict does not know gaze models yet" in done.err


def test_without_a_model_it_says_what_is_missing(eyecli: Callable[..., Done]) -> None:
    done = eyecli("predict", ".", "--workspace", "none")
    assert done.code == 3 and "workspace" in done.err


def test_a_share_beyond_one_is_refused(eyecli: Callable[..., Done]) -> None:
    done = eyecli("predict", ".", "--abstain", "2")
    assert done.code == 2 and "--abstain 2 is out of range" in done.err
