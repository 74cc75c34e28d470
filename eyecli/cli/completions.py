"""``eyecli completions``: static completion files, so that a TAB starts no Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import typer

from eyecli.cli.completion_scripts import SCRIPTS
from eyecli.cli.contract import Result, Shell, command
from eyecli.workspace.store import KINDS

app = typer.Typer(add_completion=False)

# Parameters that take a reference (of one command, where it stands before the name), and the
# kinds of artifact each takes.
REFERENCES = {
    "source": ("source",),
    "sources": ("source",),
    "prepared": ("prepared",),
    "on": ("prepared",),
    "split": ("split",),
    "split_from": ("split",),
    "model": ("model",),
    "models": ("model",),
    "coreml": ("coreml",),
    "reference": KINDS,
    "references": KINDS,
    "old": KINDS,
    "new": KINDS,
    # What can be exported.
    "eyecli export coreml model": ("model", "head"),
    "eyecli export coreml head": ("head",),
    # What holds a package.
    "eyecli check-ane coreml": ("coreml", "head"),
}

NO_ARGUMENT = "none"


@dataclass
class Place:
    """What may stand after a command.

    Attributes
    ----------
    words
        Commands and flags, with their help.
    takes
        Flag to what its value is: ``one:px,cm`` (a choice), ``ref:model,head`` (an artifact of
        these kinds), ``run``, ``file`` or ``any``; switches are not in it.
    argument
        What its arguments are, likewise, or ``none``; files may stand beside references.
    """

    words: dict[str, str] = field(default_factory=dict)
    takes: dict[str, str] = field(default_factory=dict)
    argument: str = NO_ARGUMENT


@command(app, "completions", makes=False)
def completions(
    shell: Shell,
    name: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell.")],
) -> Result:
    """Print the completion file of a shell, for example into ~/.zfunc/_eyecli."""
    text = render(name)
    return Result([text.rstrip("\n")], {"shell": name, "text": text})


def render(shell: str) -> str:
    """Return the text of a shell's completion file."""
    return SCRIPTS[shell](command_places())


def command_places() -> dict[str, Place]:
    """Walk the command tree: command path (``eyecli train gaze``) to what may follow."""
    from eyecli.cli.tree import root_command

    places: dict[str, Place] = {}
    _walk(root_command(), "eyecli", None, choices(), places)
    return places | _of_commands(places)


def choices() -> dict[str, str]:
    """Words that a parameter of one command takes, where only the command knows them."""
    from eyecli.ane.tiers import CHIPS, TIERS
    from eyecli.cli.fetch_sample import SAMPLES, VIDEOS
    from eyecli.tasks.base import all_layouts

    layouts = f"one:{','.join(all_layouts())}"
    chips = ",".join(name.replace(" ", "-") for name in (*TIERS, *CHIPS))
    return {
        "eyecli check-ane chip": f"one:{chips}",
        "eyecli fetch sample task": f"one:{','.join((VIDEOS, *SAMPLES))}",
        "eyecli fetch path layout": layouts,
        "eyecli schema layout": layouts,
    }


def _of_commands(places: dict[str, Place]) -> dict[str, Place]:
    """Return the places after ``config show``, whose arguments are the words of a command."""
    show = places["eyecli config show"]
    return {
        path.replace("eyecli", "eyecli config show", 1): Place(
            {word: text for word, text in place.words.items() if not word.startswith("--")}
            | {word: text for word, text in show.words.items() if word.startswith("--")},
            show.takes,
        )
        for path, place in places.items()
    }


def _walk(
    node: Any, path: str, parent: Any, known: dict[str, str], places: dict[str, Place]
) -> None:
    context = node.make_context(path.split()[-1], [], parent=parent, resilient_parsing=True)
    place = Place()
    for name in node.list_commands(context) if hasattr(node, "list_commands") else []:
        child = node.get_command(context, name)
        place.words[name] = _line(child.help)
        _walk(child, f"{path} {name}", context, known, places)
    for parameter in node.params:
        what = known.get(f"{path} {parameter.name}") or _what(parameter, path)
        if parameter.param_type_name == "argument" and not place.argument.startswith("ref:"):
            place.argument = what
        # Of an option's spellings the long one says more.
        spellings = (*parameter.opts, *parameter.secondary_opts)
        for flag in (o for o in spellings if o.startswith("--")):
            place.words[flag] = _line(parameter.help)
            if not parameter.is_flag:
                place.takes[flag] = what
    place.words["--help"] = "Show this message and exit."
    places[path] = place


def _what(parameter: Any, path: str) -> str:
    """Say what the value of a parameter is."""
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return f"one:{','.join(choices)}"
    kinds = REFERENCES.get(f"{path} {parameter.name}") or REFERENCES.get(parameter.name)
    if kinds:
        return f"ref:{','.join(kinds)}"
    if parameter.name == "run":
        return "run"
    is_file = parameter.type.name == "path" or parameter.param_type_name == "argument"
    return "file" if is_file else "any"


def _line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0] if (text or "").strip() else ""
