"""Settings as data: a dataclass field is a flag, a parameter of a manifest and its help text."""

from __future__ import annotations

import dataclasses
from typing import Any


def setting(default: Any, help: str, *names: str, shown: str | None = None) -> Any:
    """Declare a field that the command line turns into a flag.

    Parameters
    ----------
    default
        Its default.
    help
        Its line in ``--help``.
    *names
        Spellings such as ``--batch-size``; derived from the field's name by default.
    shown
        What ``--help`` shows as the default, where the value itself tells a person nothing.
    """
    return dataclasses.field(
        default=default, metadata={"help": help, "names": names, "shown": shown}
    )
