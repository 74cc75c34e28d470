"""One person under two spellings: ids that a person would read as the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# A spreadsheet writes 1 as 1.0, and 007 as 7. No other decimals: 1.1 and 1.10 number people.
WHOLE = re.compile(r"(\d+)\.0+", re.ASCII)
ZEROS = re.compile(r"(?<![\d.])0+(?=\d)", re.ASCII)


def spelling_key(subject: str) -> str:
    """Return what all spellings of an id share: without case, leading zeros, ``.0``, Unicode forms.

    Compatibility forms (NFKC) and case are folded as in The Unicode Standard, definition D146.
    """
    text = unicodedata.normalize("NFKD", subject).casefold()
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).casefold())
    text = " ".join(text.split())
    whole = WHOLE.fullmatch(text)
    return ZEROS.sub("", whole[1] if whole else text)


def spelt_differently(
    subjects: Sequence[str], sources: Sequence[str] = ()
) -> list[tuple[int, int]]:
    """Find subjects that are spelt in more than one way.

    Parameters
    ----------
    subjects
        (n,) ids, '' for unknown.
    sources
        (n,) source of each sample, or nothing: where ids begin with its name, that is no spelling.

    Returns
    -------
    list of (int, int)
        For each further spelling the first rows of the first one and of it.
    """
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for row, subject in enumerate(subjects):
        prefix = f"{sources[row]}/" if sources else ""
        prefix = prefix if subject.startswith(prefix) else ""
        if subject:
            key = (prefix, spelling_key(subject.removeprefix(prefix)))
            rows.setdefault(key, {}).setdefault(subject, row)
    pairs = []
    for spellings in rows.values():
        first, *others = spellings.values()
        pairs += [(first, other) for other in others]
    return pairs
