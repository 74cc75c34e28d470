"""Patterns of file names: what is written with one is read back with it."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eyecli.data.filenames import compile_pattern
from eyecli.errors import UsageError

LETTERS = st.text(alphabet="aZ0é.*+?()[]|^$\\ -_{}#\n", min_size=1, max_size=6)
FIELDS = ("subject", "session", "point")


@given(st.permutations(FIELDS), st.lists(LETTERS, min_size=3, max_size=3), LETTERS, st.data())
def test_what_a_pattern_writes_it_reads(
    names: list[str], values: list[str], suffix: str, data: st.DataObject
) -> None:
    """Every literal is literal, whatever it means to a regular expression."""
    separators = [data.draw(LETTERS), data.draw(LETTERS), suffix]
    for value, separator in zip(values, separators, strict=True):
        # A field ends where the text that follows it first comes.
        assume((value + separator).find(separator) == len(value))
    for n in (1, 2):
        # What could have been a part of the field before is refused.
        rest = "".join(v + s for v, s in zip(values[n:], separators[n:], strict=True))
        assume(rest.find(separators[n - 1]) not in range(len(values[n])))
    text, written = "", ""
    for name, value, separator in zip(names, values, separators, strict=True):
        text += "{" + name + "}" + separator.replace("{", "{{").replace("}", "}}")
        written += value + separator
    found = compile_pattern(text).match(written)
    assert found == (dict(zip(names, values, strict=True)), ("",))
    assert compile_pattern(text).match("x/" + written) == (found[0], ("x",))
    assert compile_pattern(text).match(written + "!") is None


@given(st.text(max_size=20))
def test_any_text_is_a_pattern_or_a_usage_error(text: str) -> None:
    try:
        pattern = compile_pattern(text)
    except UsageError as error:
        assert error.message.startswith("--filename")
        return
    pattern.match("a/b_c.png")


@pytest.mark.parametrize(
    ("pattern", "path", "cells", "rest"),
    [
        ("{a}_{b}.png", "x_y.png", {"a": "x", "b": "y"}, ("",)),
        ("{a}_{b}.png", "x_y_z.png", None, ()),
        ("{a}_{}.png", "x_y_z.png", None, ()),
        ("{a}_{b}.{}", "x_-6.5.jpg", None, ()),
        ("s{a}_{b}.png", "slars_y.png", {"a": "lars", "b": "y"}, ("",)),
        ("{a}__{b}.png", "x_1__y.png", {"a": "x_1", "b": "y"}, ("",)),
        ("{a}.png", "deep/down/v1.2.png", {"a": "v1.2"}, ("deep/down",)),
        ("{a}.png", "x.PNG", None, ()),
        ("{a}.png", "xapng", None, ()),
        ("{a}.png", ".png", None, ()),
        ("{a}/{b}.png", "ann/1.png", {"a": "ann", "b": "1"}, ("",)),
        ("{a}/{b}.png", "data/ann/1.png", {"a": "ann", "b": "1"}, ("data",)),
        ("{a}/{b}.png", "1.png", None, ()),
        ("{a}_{}_{}.png", "x_7_8.png", {"a": "x"}, ("", "7", "8")),
        ("{a}/{a}_{b}.png", "ann/ann_1.png", {"a": "ann", "b": "1"}, ("",)),
        ("{a}/{a}_{b}.png", "ann/bob_1.png", None, ()),
        ("{a}/{a}1.png", "ann/ann1.png", {"a": "ann"}, ("",)),
        ("{{{a}}}.png", "{x}.png", {"a": "x"}, ("",)),
        ("{a}", "x.png", {"a": "x.png"}, ("",)),
    ],
)
def test_examples(
    pattern: str, path: str, cells: dict[str, str] | None, rest: tuple[str, ...]
) -> None:
    assert compile_pattern(pattern).match(path) == (None if cells is None else (cells, rest))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{a}{b}.png", "nothing between {a} and {b}"),
        ("{a}{}.png", "nothing between {a} and {}"),
        ("x.png", "names no field"),
        ("{}.png", "names no field"),
        ("{a.png", "expected '}'"),
        ("a}.png", "Single '}'"),
        ("{a:d}.png", "fields are plain names"),
        ("{a!r}.png", "fields are plain names"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        compile_pattern(pattern)


def test_a_long_name_that_does_not_match_is_refused_at_once() -> None:
    pattern = compile_pattern("{a}_{b}_{c}_{d}_{e}.png")
    assert pattern.match("_".join("x" * 50 for _ in range(5000)) + ".jpg") is None
