"""kill -9 and jobs at once: only whole artifacts, distinct versions."""

from __future__ import annotations

import random
import time
from pathlib import Path

from making import make, start

from eyecli.workspace.store import artifact_folders, artifacts, open_workspace, versions
from eyecli.workspace.verify import damages

PUBLISH = """
import os, sys
from pathlib import Path
from making import make
root, count, files = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
while not Path(sys.argv[3]).exists():
    pass
for number in range(count):
    content = {f"{i}/{os.getpid()}.bin": os.urandom(files * 2000) for i in range(files)}
    print(make(root, content, force=True).artifact.ref, flush=True)
"""


def test_kill_9_leaves_only_whole_artifacts(tmp_path: Path) -> None:
    root, go = open_workspace(tmp_path / "ws", create=True), tmp_path / "go"
    go.touch()
    rng = random.Random(0)
    said: set[str] = set()
    for _ in range(15):
        process = start(PUBLISH, root, 10_000, go, 12)
        assert process.stdout
        first = process.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        rest = process.communicate()[0]
        assert process.returncode == -9
        said |= set((first + rest).split())
        assert [line for folder in artifact_folders(root) for line in damages(folder)] == []
    # What was reported as published is there, and the next job is not held up.
    assert said <= {artifact.ref for artifact in artifacts(root)}
    before = versions(root, "model/gaze")
    assert make(root, force=True).artifact.ref == f"model/gaze@v{before[-1] + 1}"


def test_jobs_at_once_get_different_versions(tmp_path: Path) -> None:
    root, go = open_workspace(tmp_path / "ws", create=True), tmp_path / "go"
    processes = [start(PUBLISH, root, 40, go, 1) for _ in range(16)]
    go.touch()
    refs = [line for process in processes for line in process.communicate()[0].splitlines()]
    assert sorted(refs) == sorted(f"model/gaze@v{n}" for n in range(1, 641))
    assert versions(root, "model/gaze") == list(range(1, 641))
    assert [line for folder in artifact_folders(root) for line in damages(folder)] == []
    assert len({artifact.manifest.digest for artifact in artifacts(root)}) == 640
    assert list((root / "tmp").iterdir()) == []
