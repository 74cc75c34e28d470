"""Any order of publishing, crashing, cleaning, moving, damaging: what must hold, holds."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from making import make

from eyecli.errors import DataError
from eyecli.workspace.aliases import list_aliases, set_alias
from eyecli.workspace.archive import plan_export, write_export
from eyecli.workspace.gc import collect_garbage
from eyecli.workspace.lineage import closure, finder
from eyecli.workspace.memo import Work
from eyecli.workspace.references import resolve
from eyecli.workspace.restore import restore
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import Artifact, artifact_folders, artifacts, open_workspace
from eyecli.workspace.verify import damages

KINDS = ("source", "prepared", "model")
small = st.integers(0, 3)
numbers = st.integers(0, 10**6)


class SickError(Exception):
    """A build that fails."""


class Workspaces(RuleBasedStateMachine):
    """Two workspaces, and what is known of each.

    ``digests``: reference to digest, of everything that was ever published there. ``gone``: what gc
    removed. ``damaged``: files that were changed on purpose.
    """

    @initialize()
    def begin(self) -> None:
        # Thousands of fsyncs: in memory where that can be.
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
        self.roots = [open_workspace(self.folder / name, create=True) for name in "ab"]
        self.digests: list[dict[str, str]] = [{}, {}]
        self.gone: list[set[str]] = [set(), set()]
        self.damaged: list[set[Path]] = [set(), set()]
        self.aliases: list[dict[str, str]] = [{}, {}]
        for side in (0, 1):
            for content in range(3):
                self.chain(side, content)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    # What is there.

    def present(self, side: int) -> list[Artifact]:
        return list(artifacts(self.roots[side]))

    def pick(self, side: int, number: int, kind: str | None = None) -> Artifact | None:
        found = [a for a in self.present(side) if kind in (None, a.manifest.kind)]
        return found[number % len(found)] if found else None

    def sick(self, side: int, artifact: Artifact) -> bool:
        return any(path.is_relative_to(artifact.path) for path in self.damaged[side])

    def note(self, side: int) -> None:
        """Take up what was published since, which must be the next versions."""
        new = [a for a in self.present(side) if a.ref not in self.digests[side]]
        for artifact in new:
            family, version = artifact.ref.rsplit("@v", 1)
            older = [int(r.rsplit("@v")[1]) for r in self.digests[side]
                     if r.rsplit("@v")[0] == family]  # fmt: skip
            assert int(version) == max(older, default=0) + 1, artifact.ref
            self.digests[side][artifact.ref] = artifact.manifest.digest

    def chain(self, side: int, content: int) -> None:
        """Publish a model and what it is made from."""
        root = self.roots[side]
        inputs: dict[str, Artifact] = {}
        for kind in KINDS:
            files = {"x": bytes([content, side])}
            inputs = {kind: make(root, files, kind=kind, inputs=inputs, force=True).artifact}
        self.note(side)

    # What happens.

    @rule(side=st.integers(0, 1), content=small)
    def publish_chain(self, side: int, content: int) -> None:
        self.chain(side, content)

    @rule(side=st.integers(0, 1), kind=st.sampled_from(KINDS), content=small, number=numbers,
          name=st.sampled_from([None, "eve"]), force=st.booleans())  # fmt: skip
    def publish(
        self, side: int, kind: str, content: int, number: int, name: str | None, force: bool
    ) -> None:
        below = {"prepared": "source", "model": "prepared"}.get(kind)
        source = self.pick(side, number, below) if below else None
        inputs = {below: source} if below and source else {}
        work: dict[str, Any] = {"kind": kind, "name": name, "inputs": inputs}
        files = {"x": bytes([content]), "deep/y": b"same"}
        try:
            outcome = make(self.roots[side], files, force=force, **work)
        except DataError as error:
            blamed = [path for path in self.damaged[side] if str(path) in error.message]
            assert blamed
            # Of what goes in, or of an earlier result, which is found unless it is forced anew.
            found = not force and blamed[0].is_relative_to(self.roots[side] / kind)
            assert found or (source is not None and self.sick(side, source))
            return
        assert outcome.cached == (outcome.artifact.ref in self.digests[side])
        self.note(side)

    @rule(side=st.integers(0, 1), error=st.sampled_from([SickError, KeyboardInterrupt]))
    def fail(self, side: int, error: type[BaseException]) -> None:
        def build(folder: Path) -> Built:
            (folder / "half").write_bytes(b"x")
            raise error

        before = set((self.roots[side] / "tmp").iterdir())
        with pytest.raises(error):
            run_stage(self.roots[side], Work("test", "model", "gaze"), build, force=True)
        assert set((self.roots[side] / "tmp").iterdir()) == before

    @rule(side=st.integers(0, 1), wait=st.floats(0, 0.02))
    def kill(self, side: int, wait: float) -> None:
        """Publish in another process until it is killed."""
        child = os.fork()
        if child == 0:
            try:
                for n in range(100):
                    make(self.roots[side], {str(i): bytes([n]) for i in range(5)}, force=True)
            finally:
                os._exit(0)
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        self.note(side)

    @rule(side=st.integers(0, 1), content=small)
    def publish_at_once(self, side: int, content: int) -> None:
        def work(n: int) -> None:
            make(self.roots[side], {"x": bytes([content, n])}, force=True)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        before = len(self.digests[side])
        self.note(side)
        assert len(self.digests[side]) == before + 3

    @rule(side=st.integers(0, 1), number=numbers, name=st.sampled_from(["production", "best"]))
    def alias(self, side: int, number: int, name: str) -> None:
        artifact = self.pick(side, number)
        if artifact is not None:
            family, version = artifact.ref.rsplit("@v", 1)
            set_alias(self.roots[side], family, name, int(version), artifact.manifest.digest)
            self.aliases[side][f"{family}@{name}"] = artifact.ref

    @rule(side=st.integers(0, 1), number=numbers)
    def damage(self, side: int, number: int) -> None:
        artifact = self.pick(side, number)
        if artifact:
            path = artifact.path / sorted(artifact.manifest.files)[0]
            path.chmod(0o644)
            path.write_bytes(b"damaged on purpose")
            self.damaged[side].add(path)

    @rule(
        side=st.integers(0, 1),
        keep=st.sampled_from([1, 2, None]),
        grace=st.sampled_from([0, 0, 60]),
    )
    def gc(self, side: int, keep: int | None, grace: float) -> None:
        root, before = self.roots[side], {a.ref: a for a in self.present(side)}
        whole = {ref for ref, a in before.items() if self.resolves(side, a)}
        _, stayed = collect_garbage(root, grace, keep)
        assert stayed == []
        after = {a.ref for a in self.present(side)}
        gone = before.keys() - after
        assert gone == set() or (keep is not None and grace == 0)
        self.gone[side] |= gone
        self.damaged[side] = {path for path in self.damaged[side] if path.exists()}
        # What had its whole lineage still has it.
        for artifact in self.present(side):
            assert artifact.ref not in whole or self.resolves(side, artifact), artifact.ref
        if keep is not None:
            for family in {ref.rsplit("@v")[0] for ref in before}:
                of = sorted((r for r in before if r.rsplit("@v")[0] == family),
                            key=lambda r: int(r.rsplit("@v")[1]))  # fmt: skip
                assert {*of[-keep:]} <= after
        if grace == 0:
            assert list((root / "tmp").iterdir()) == []

    @rule(side=st.integers(0, 1), number=numbers, with_lineage=st.booleans())
    def move(self, side: int, number: int, with_lineage: bool) -> None:
        """Export from one workspace and import into the other."""
        artifact, other, path = self.pick(side, number), 1 - side, self.folder / "x.tar"
        if artifact is None:
            return
        planned = plan_export(self.roots[side], [artifact], with_lineage=with_lineage)
        try:
            write_export(planned, path, force=True)
        except DataError:
            assert any(self.sick(side, a) for a in planned.artifacts)
            return
        assert not any(self.sick(side, a) for a in planned.artifacts)
        known = dict(self.digests[other])
        for arrival in restore(self.roots[other], path):
            assert arrival.artifact
            ref, digest = arrival.artifact.ref, arrival.entry.digest
            assert arrival.artifact.manifest.digest == digest
            if arrival.new:
                # Either never given, or it was this very content's.
                assert known.get(ref, digest) == digest
                assert ref not in known or ref in self.gone[other]
                self.gone[other].discard(ref)
            else:
                assert ref in self.digests[other]
            self.digests[other][ref] = digest
            for name in arrival.aliases:
                assert name not in self.aliases[other]
                self.aliases[other][name] = ref
        if with_lineage and self.resolves(side, artifact):
            arrived = next(a for a in self.present(other)
                           if a.manifest.digest == artifact.manifest.digest)  # fmt: skip
            assert self.resolves(other, arrived)

    def resolves(self, side: int, artifact: Artifact) -> bool:
        """Say whether all of an artifact's lineage is there."""
        find = finder(self.roots[side])
        whole = closure(self.roots[side], [artifact])
        return all(find(entry) for a in whole for entry in a.manifest.inputs)

    # What holds.

    @invariant()
    def every_artifact_is_what_was_published(self) -> None:
        for side in range(len(getattr(self, "roots", []))):
            found = {a.ref: a.manifest.digest for a in self.present(side)}
            expected = {r: d for r, d in self.digests[side].items() if r not in self.gone[side]}
            assert found == expected
            for folder in artifact_folders(self.roots[side]):
                sick = {path for path in self.damaged[side] if path.is_relative_to(folder)}
                lines = damages(folder)
                assert len(lines) == len(sick)
                assert all(any(line.startswith(str(path)) for path in sick) for line in lines)

    @invariant()
    def aliases_resolve(self) -> None:
        for side in range(len(getattr(self, "roots", []))):
            for name, ref in self.aliases[side].items():
                assert resolve(self.roots[side], name).ref == ref
                family, alias = name.split("@")
                assert alias in list_aliases(self.roots[side], family)


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Workspaces,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.reuse, Phase.generate],
        ),
    )  # fmt: skip


def test_a_few_orders() -> None:
    run(15, 20)


@pytest.mark.slow
def test_many_orders() -> None:
    run(40, 50)
