"""Memory of a preparation: flat in the number of photographs, but for a few rows of text each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from eyecli.synthesis.fundus import write_fundus
from eyecli.workspace.manifest import sha256_file

FEW, MANY, DRAWN = 1_000, 10_000, 20
# Ids, paths, digests and columns of a photograph, some 5,400 bytes in the dicts and lists that hold
# them; crops of 64 pixels that were kept add 10,000.
ROW_BYTES = 8_000
SCRIPT = """
import json, resource, sys
from pathlib import Path
from eyecli.sources.source import Source
from eyecli.tasks.dr.layouts import read_raw
from eyecli.tasks.dr.settings import DrPreprocess

folder, scratch = map(Path, sys.argv[1:])
digests = json.loads((folder / "digests.json").read_text())
source = Source(folder, "dr-class-folders", digests)
raw = read_raw(source, DrPreprocess(size=64, processes=2)).extract(scratch)
for position in range(len(raw.table)):
    raw.convert(position, source.read)
# ru_maxrss of a process itself starts at that of the one that began it.
status = Path("/proc/self/status").read_text()
own = int(status.partition("VmHWM:")[2].split()[0])
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([len(raw.table), len(raw.left_out), own * 1024, most * 1024]))
"""


def peaks(folder: Path, drawn: list[Path], number: int) -> tuple[float, float]:
    """Prepare so many links to a few photographs; return peaks of the parent and its children."""
    digests, known = {}, [sha256_file(path) for path in drawn]
    for place in range(number):
        link = folder / str(place % 5) / f"{place:06d}.jpeg"
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(drawn[place % len(drawn)], link)
        digests[link.relative_to(folder).as_posix()] = known[place % len(drawn)]
    (folder / "digests.json").write_text(json.dumps(digests))
    command = [sys.executable, "-c", SCRIPT, str(folder), str(folder / "scratch")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, left_out, parent, child = json.loads(done.stdout)
    assert kept + left_out == number and left_out > number / 10
    print(
        f"\n{number} photographs, {kept} kept: {parent / 1e6:.0f} MB, a process {child / 1e6:.0f}"
    )
    return parent, child


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_ten_thousand_photographs_need_no_more_memory_than_a_thousand(tmp_path: Path) -> None:
    write_fundus(tmp_path / "drawn", DRAWN // 2, 0)
    drawn = sorted((tmp_path / "drawn").glob("*.jpeg"))
    for path in drawn[::5]:
        cv2.imwrite(str(path), np.zeros((256, 256, 3), np.uint8))
    few, many = (peaks(tmp_path / str(n), drawn, n) for n in (FEW, MANY))
    assert many[0] - few[0] < ROW_BYTES * (MANY - FEW)
    assert many[1] < 1.1 * few[1]
