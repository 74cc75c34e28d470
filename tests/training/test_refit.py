"""A refit on all groups: what is shipped, while the figures stay the cross-validated ones."""

from __future__ import annotations

import pytest
from gaze_chain import Chain

from eyecli.data.plan import SplitSettings
from eyecli.data.prepared import open_prepared, read_split
from eyecli.data.split_stage import split_prepared
from eyecli.errors import DataError, UsageError
from eyecli.tasks.gaze import learning
from eyecli.tasks.gaze.settings import GazeTrain
from eyecli.training.folds import find_model
from eyecli.training.model import read_model
from eyecli.training.refit import _refit_split, refit, require_tested
from eyecli.training.stage import trained_files
from eyecli.workspace.lineage import input_of
from eyecli.workspace.store import Artifact, families

pytest_plugins = ["trained_gaze"]


@pytest.fixture(scope="module")
def shipped(chain: Chain) -> Artifact:
    return refit(chain.root, lambda: learning, GazeTrain, chain.model).artifact


def test_everybody_is_trained_or_validated_on(chain: Chain, shipped: Artifact) -> None:
    split = read_split(input_of(chain.root, shipped, "split"))
    (partition,) = split.partitions
    assert (split.scheme, partition.test) == ("refit", [])
    assert split.groups == read_split(chain.split).groups
    assert 0 < len(partition.val) < len(split.groups) / 2
    index = open_prepared(chain.prepared).index
    assert trained_files(chain.root, shipped, 0) == {
        digest for files in index["files"] for digest in files.split()
    }


def test_it_has_the_settings_and_the_name_of_what_was_evaluated(
    chain: Chain, shipped: Artifact
) -> None:
    manifest = shipped.manifest
    assert manifest.params == chain.model.manifest.params
    assert manifest.summary["refit_of"] == chain.model.ref
    assert manifest.summary["refit_of_digest"] == chain.model.manifest.digest
    assert read_model(shipped).partitions == [0]
    assert manifest.flags == chain.model.manifest.flags
    # `@latest` stays what can be evaluated.
    assert manifest.name == "refit"
    assert find_model(chain.root, None).manifest.name is None


def test_it_is_found_again(chain: Chain, shipped: Artifact) -> None:
    def nobody() -> object:
        raise AssertionError("nothing is to be trained")

    before = families(chain.root)
    again = refit(chain.root, nobody, GazeTrain, chain.model)  # type: ignore[arg-type]
    assert again.cached and again.artifact == shipped
    assert families(chain.root) == before


def test_nobody_is_left_to_evaluate_it_on(chain: Chain, shipped: Artifact) -> None:
    require_tested(chain.model)
    with pytest.raises(DataError, match="trained on all groups: nobody is left") as caught:
        require_tested(shipped)
    assert str(caught.value.hint).endswith(f"eyecli evaluate {chain.model.ref}")
    with pytest.raises(UsageError, match="trained on all groups already"):
        refit(chain.root, lambda: learning, GazeTrain, shipped)


def test_what_the_split_cannot_claim_the_refit_cannot_either(chain: Chain) -> None:
    settings = SplitSettings("holdout", group="none")
    split = split_prepared(chain.root, chain.prepared, settings).artifact
    made = _refit_split(chain.root, chain.prepared, split).artifact
    plan = read_split(made)
    assert (plan.group_by, plan.subject_independent) == ("none", False)
    assert plan.reason and plan.reason == made.manifest.summary["reason"]
    assert made.manifest.flags["subject_independent"] is False
