"""Fields in file names: patterns such as ``{subject}_{session}_{point}.png``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Formatter

from eyecli.errors import UsageError

HINT = "write it like '{subject}_{session}_{point}.png', {} for what is not kept"


@dataclass(frozen=True)
class Pattern:
    """A pattern of file names, ready to match.

    Attributes
    ----------
    text
        As written.
    fields
        Names in braces, each once, in order; '' is a part that is not kept.
    """

    text: str
    fields: tuple[str, ...]
    _regex: re.Pattern[str]

    def match(self, path: str) -> tuple[dict[str, str], tuple[str, ...]] | None:
        """Match the end of a path: as many of its parts as the pattern has.

        Parameters
        ----------
        path
            Relative POSIX path.

        Returns
        -------
        cells : dict
            Field to text.
        rest : tuple of str
            What else tells the file from others: its folder and the parts that are not kept.

        None in place of both if the path does not match.
        """
        parts = path.split("/")
        depth = self.text.count("/") + 1
        found = self._regex.fullmatch("/".join(parts[-depth:]))
        if not found:
            return None
        pairs = list(zip(self.fields, found.groups(), strict=True))
        unkept = [text for name, text in pairs if not name]
        return {name: text for name, text in pairs if name}, ("/".join(parts[:-depth]), *unkept)


def compile_pattern(text: str) -> Pattern:
    """Read a pattern: ``{field}`` matches anything but ``/`` and the text that ends it.

    Nor does it match the text between it and the field before: ``{subject}_{point}.png`` refuses
    ``p_01_7.png``, where nobody can tell which ``_`` is meant. All else stands for itself (``{{``
    and ``}}`` for braces). A field that is there twice must hold the same text twice.

    Raises
    ------
    UsageError
        If it is no such pattern, has no field, or nothing tells two fields apart.
    """
    tokens = _tokens(text)
    fields: list[str] = []
    regex = ""
    for (literal, name), (ending, _) in zip(tokens, [*tokens[1:], ("", None)], strict=True):
        before = literal if fields else ""
        regex += re.escape(literal)
        if name is None:
            continue
        if name and name in fields:
            # In a group of its own: a digit may follow.
            regex += rf"(?:\{fields.index(name) + 1})"
            continue
        fields.append(name)
        barred = "|".join(re.escape(text) for text in (before, ending) if text)
        regex += rf"((?:(?!{barred})[^/])+)" if barred else "([^/]+)"
    if not any(fields):
        raise UsageError(f"--filename '{text}' names no field", HINT)
    return Pattern(text, tuple(fields), re.compile(regex))


def _tokens(text: str) -> list[tuple[str, str | None]]:
    """Pairs of literal text and the field after it, None after the last."""
    tokens: list[tuple[str, str | None]] = []
    literal = ""
    try:
        for part, name, spec, conversion in Formatter().parse(text):
            literal += part
            if name is None:
                continue
            if spec or conversion:
                raise ValueError("fields are plain names")
            if tokens and not literal:
                raise ValueError(f"nothing between {{{tokens[-1][1]}}} and {{{name}}}")
            tokens.append((literal, name))
            literal = ""
    except ValueError as error:
        raise UsageError(f"--filename '{text}': {error}", HINT) from None
    return [*tokens, (literal, None)]
