"""Room is asked for before it is needed, and nothing of the question stays."""

import errno
import shutil
from pathlib import Path

import pytest

from eyecli.workspace.space import require_space


def test_what_is_not_there_is_refused_and_what_is_there_given_back(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    require_space(tmp_path, 2**20)
    with pytest.raises(OSError) as caught:
        require_space(tmp_path, 4 * free + 2**40)
    # Some file systems refuse the length of the file before they count their blocks.
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert list(tmp_path.iterdir()) == []
