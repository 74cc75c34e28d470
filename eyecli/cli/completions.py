"""``eyecli completions``: static completion files, so that a TAB starts no Python."""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Literal

import typer

from eyecli.cli.contract import Result, Shell, command

app = typer.Typer(add_completion=False)

# Command path (``eyecli train gaze``) to the words that may follow it, with their help.
Words = dict[str, dict[str, str]]


@command(app, "completions", makes=False)
def completions(
    shell: Shell,
    name: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="The shell.")],
) -> Result:
    """Print the completion file of a shell, for example into ~/.zfunc/_eyecli."""
    text = render(name)
    return Result([text.rstrip("\n")], {"shell": name, "text": text})


def command_words() -> Words:
    """Walk the command tree."""
    from eyecli.cli.tree import root_command

    words: Words = {}
    _walk(root_command(), "eyecli", None, words)
    return words


def _walk(node: Any, path: str, parent: Any, words: Words) -> None:
    context = node.make_context(path.split()[-1], [], parent=parent, resilient_parsing=True)
    found: dict[str, str] = {}
    for name in node.list_commands(context) if hasattr(node, "list_commands") else []:
        child = node.get_command(context, name)
        found[name] = _line(child.help)
        _walk(child, f"{path} {name}", context, words)
    for parameter in node.params:
        # Arguments have no dash; of an option's spellings the long one says more.
        for option in (o for o in parameter.opts if o.startswith("--")):
            found[option] = _line(parameter.help)
    words[path] = found | {"--help": "Show this message and exit."}


def _line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0] if (text or "").strip() else ""


def render(shell: str) -> str:
    """Return the text of a shell's completion file."""
    return {"bash": bash, "zsh": zsh, "fish": fish}[shell](command_words())


HEADER = "# Completion of eyecli for {}, made by `eyecli completions {}`: do not edit.\n"


def bash(words: Words) -> str:
    """Completion for bash: words of the deepest known command, then files."""
    known = " | ".join(shlex.quote(path) for path in words if path != "eyecli")
    cases = "\n".join(
        f"        {shlex.quote(path)}) words={shlex.quote(' '.join(found))} ;;"
        for path, found in words.items()
    )
    return f"""{HEADER.format("bash", "bash")}_eyecli() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} path=eyecli words= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path ${{COMP_WORDS[i]}}" in
            {known}) path="$path ${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$path" in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ ${{#COMPREPLY[@]}} -eq 0 ]]; then
        compopt -o filenames
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -F _eyecli eyecli
"""


def zsh(words: Words) -> str:
    """Completion for zsh, with the help of every word."""
    known = "|".join(f"'{path}'" for path in words if path != "eyecli")
    cases = "\n".join(
        f"    '{path}') found=({' '.join(_zsh_word(*word) for word in found.items())}) ;;"
        for path, found in words.items()
    )
    return f"""#compdef eyecli
{HEADER.format("zsh", "zsh")}local path_=eyecli word
local -a found
for word in "${{(@)words[2,CURRENT-1]}}"; do
    case "$path_ $word" in
        ({known}) path_="$path_ $word" ;;
    esac
done
case "$path_" in
{cases}
esac
_describe eyecli found
_files
"""


def _zsh_word(word: str, text: str) -> str:
    return shlex.quote(f"{word}:{text}")


def fish(words: Words) -> str:
    """Completion for fish, with the help of every word; fish adds files itself."""
    known = " ".join(shlex.quote(path) for path in words if path != "eyecli")
    lines = [_fish_line(path, *word) for path, found in words.items() for word in found.items()]
    return (
        HEADER.format("fish", "fish")
        + f"""function __eyecli_at
    set -l at eyecli
    for word in (commandline -opc)[2..]
        if contains -- "$at $word" {known}
            set at "$at $word"
        end
    end
    test "$at" = "$argv"
end
"""
        + "\n".join(lines)
        + "\n"
    )


def _fish_line(path: str, word: str, text: str) -> str:
    flag = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
    return f"complete -c eyecli -n '__eyecli_at {path}' {flag} -d {shlex.quote(text)}"
