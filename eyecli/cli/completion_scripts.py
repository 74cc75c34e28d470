"""The completion files of bash, zsh and fish.

Commands, flags and choices are in the files; references, aliases and runs are looked up in the
workspace's folders. No Python is started.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eyecli.cli.completions import Place

Places = dict[str, "Place"]

HEADER = "# Completion of eyecli for {0}, made by `eyecli completions {0}`: do not edit.\n"


def bash(places: Places) -> str:
    """Completion for bash, of version 3.2 (macOS) on."""
    known = " | ".join(shlex.quote(path) for path in places if path != "eyecli")
    cases = "\n".join(
        f"        {shlex.quote(path)}) words={shlex.quote(' '.join(place.words))}"
        f" takes={shlex.quote(' '.join(f'{f}={what}' for f, what in place.takes.items()))}"
        f" what={shlex.quote(place.argument)} ;;"
        for path, place in places.items()
    )
    return HEADER.format("bash") + BASH.replace("KNOWN", known).replace("CASES", cases)


BASH = r"""_eyecli_references() {
    local root=$1 kind folder name; shift
    for kind; do
        for folder in "$root/$kind"/*/v[0-9]* "$root/$kind"/*/*/v[0-9]*; do
            [[ -d $folder ]] || continue
            name=${folder##*/v} folder=${folder%/*}
            printf '%s@v%d\n%s@latest\n' "${folder#"$root"/}" "$((10#$name))" "${folder#"$root"/}"
        done
        for folder in "$root/aliases/$kind"/*/*/ "$root/aliases/$kind"/*/*/*/; do
            folder=${folder%/} name=${folder%/}
            name=${name##*/}
            # Aliases of splits that begin so are eyecli's own.
            [[ -f $folder/000001.json && $name != of-* ]] || continue
            folder=${folder%/*}
            printf '%s@%s\n' "${folder#"$root/aliases"/}" "$name"
        done
    done
}
_eyecli_runs() {
    local folder
    for folder in "$1"/runs/*/; do
        folder=${folder%/}
        [[ -d $folder ]] && printf '%s\n' "${folder##*/}"
    done
}
_eyecli() {
    local line=${COMP_LINE:0:COMP_POINT} current= previous= path=eyecli words= takes= what= i
    local root=${EYECLI_WORKSPACE:-eyecli-workspace} prefix=
    local -a typed
    # Without -r: a backslash keeps a blank, as on the line.
    read -a typed <<< "$line"
    local last=$((${#typed[@]} - 1))
    if [[ $line != *' ' ]]; then
        current=${typed[last]}
        last=$((last - 1))
    fi
    ((last > 0)) && previous=${typed[last]}
    for ((i = 1; i <= last; i++)); do
        case "$path ${typed[i]}" in
            KNOWN) path="$path ${typed[i]}" ;;
        esac
        case "${typed[i]}" in
            --workspace) ((i < last)) && root=${typed[i + 1]} ;;
            --workspace=*) root=${typed[i]#*=} ;;
        esac
    done
    case "$path" in
CASES
    esac
    if [[ " $takes" == *" $previous="* && $previous == --* ]]; then
        what=" $takes "
        what=${what#* "$previous="}
        what=${what%% *}
        words=
    elif [[ $current != -* ]]; then
        # Flags are offered to who begins one, or where nothing else is known.
        [[ $what == none && ${words%%--*} != *[^' ']* ]] || words=${words%%--*}
    else
        what=
    fi
    local -a listed
    IFS=, read -ra listed <<< "${what#*:}"
    case "$what" in
        one:*) words="$words ${listed[*]}" ;;
        ref:*) words="$words $(_eyecli_references "$root" "${listed[@]}" | sort -u)" ;;
        run) words="$words $(_eyecli_runs "$root")" ;;
    esac
    COMPREPLY=($(IFS=$' \t\n'; compgen -W "$words" -- "$current"))
    if [[ $current == *@* && $COMP_WORDBREAKS == *@* ]]; then
        # Readline has broken the word at the @ and keeps what stands before it.
        prefix=${current%@*}
        COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
    if [[ ${#COMPREPLY[@]} -eq 0 && $what != any && $what != none && $current != -* ]]; then
        compopt -o filenames 2> /dev/null
        local IFS=$'\n'
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
    fi
}
complete -F _eyecli eyecli
"""


def zsh(places: Places) -> str:
    """Completion for zsh, with the help of every word."""
    known = "|".join(f"'{path}'" for path in places if path != "eyecli")
    cases = "\n".join(
        f"    '{path}')\n"
        f"        found=({' '.join(shlex.quote(f'{w}:{t}') for w, t in place.words.items())})\n"
        f"        takes=({' '.join(f'{f} {what}' for f, what in place.takes.items())})\n"
        f"        what={place.argument} ;;"
        for path, place in places.items()
    )
    return (
        "#compdef eyecli\n"
        + HEADER.format("zsh")
        + ZSH.replace("KNOWN", known).replace("CASES", cases)
    )


ZSH = r"""_eyecli_references() {
    local root=$1 kind folder family
    shift
    for kind; do
        for folder in $root/$kind/*/v<->(N/) $root/$kind/*/*/v<->(N/); do
            family=${${folder:h}#$root/}
            offered+=("$family@v$((10#${${folder:t}#v}))" "$family@latest")
        done
        for folder in $root/aliases/$kind/*/{,*/}*/000001.json(N:h); do
            # Aliases of splits that begin so are eyecli's own.
            [[ ${folder:t} == of-* ]] || offered+=("${${folder:h}#$root/aliases/}@${folder:t}")
        done
    done
}
_eyecli() {
    local path_=eyecli word what previous=$words[CURRENT-1]
    local root=${EYECLI_WORKSPACE:-eyecli-workspace}
    local -a found offered
    local -A takes
    for word in "${(@)words[2,CURRENT-1]}"; do
        case "$path_ $word" in
            (KNOWN) path_="$path_ $word" ;;
        esac
    done
    if ((words[(I)--workspace] && words[(I)--workspace] < CURRENT - 1)); then
        root=$words[words[(I)--workspace]+1]
    fi
    root=${(Q)root}
    case "$path_" in
CASES
    esac
    if ((CURRENT > 2)) && [[ -n ${takes[$previous]} ]]; then
        what=${takes[$previous]}
        found=()
    elif [[ $words[CURRENT] == -* ]]; then
        what=
    elif [[ $what != none || -n ${found:#--*} ]]; then
        # Flags are offered to who begins one, or where nothing else is known.
        found=(${found:#--*})
    fi
    case $what in
        one:*) offered=(${(s:,:)what#one:}) ;;
        ref:*) _eyecli_references $root ${(s:,:)what#ref:} ;;
        run) offered=($root/runs/*(N/:t)) ;;
    esac
    ((${#found})) && _describe eyecli found
    ((${#offered})) && compadd -- ${(u)offered}
    [[ $what == (file|ref:*) ]] && _files
}
if [[ $funcstack[1] == _eyecli ]]; then
    _eyecli "$@"
else
    compdef _eyecli eyecli
fi
"""


def fish(places: Places) -> str:
    """Completion for fish, with the help of every word."""
    known = " ".join(shlex.quote(path) for path in places if path != "eyecli")
    lines = [line for path, place in places.items() for line in _fish_lines(path, place)]
    return HEADER.format("fish") + FISH.replace("KNOWN", known) + "\n".join(lines) + "\n"


FISH = r"""complete -c eyecli -f
function __eyecli_at
    set -l at eyecli
    for word in (commandline -opc)[2..]
        if contains -- "$at $word" KNOWN
            set at "$at $word"
        end
    end
    test "$at" = "$argv"
end
function __eyecli_root
    set -l words (commandline -opc)
    set -l at (contains -i -- --workspace $words)
    if set -q at[1]; and set -q words[(math $at + 1)]
        echo $words[(math $at + 1)]
    else if set -q EYECLI_WORKSPACE
        echo $EYECLI_WORKSPACE
    else
        echo eyecli-workspace
    end
end
function __eyecli_references
    set -l root (__eyecli_root)
    for kind in $argv
        for folder in $root/$kind/*/v* $root/$kind/*/*/v*
            string match -qr '/v\d+$' -- $folder; or continue
            set -l family (string replace -- "$root/" '' (string replace -r '/v\d+$' '' -- $folder))
            echo $family@v(string replace -r '.*/v0*' '' -- $folder)
            echo $family@latest
        end
        for folder in $root/aliases/$kind/*/*/000001.json $root/aliases/$kind/*/*/*/000001.json
            set -l parts (string split / -- (string replace -- "$root/aliases/" '' $folder))
            # Aliases of splits that begin so are eyecli's own.
            string match -q 'of-*' -- $parts[-2]; or echo (string join / $parts[1..-3])@$parts[-2]
        end
    end | sort -u
end
function __eyecli_runs
    for folder in (__eyecli_root)/runs/*/
        string split / -- $folder | tail -n 2 | head -n 1
    end
end
"""


def _fish_lines(path: str, place: Place) -> list[str]:
    begin = f"complete -c eyecli -n '__eyecli_at {path}'"
    lines = []
    for word, text in place.words.items():
        flag = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
        value = _fish_value(place.takes[word]) if word in place.takes else ""
        lines.append(f"{begin} {flag}{value} -d {shlex.quote(text)}")
    if place.argument not in ("any", "none"):
        value = _fish_value(place.argument).removeprefix(" -x").removeprefix(" -r")
        lines.append(f"{begin}{value}" if value.strip() else f"{begin} -F")
    return lines


def _fish_value(what: str) -> str:
    kind, _, rest = what.partition(":")
    if kind == "one":
        return f" -x -a {shlex.quote(rest.replace(',', ' '))}"
    if kind == "ref":
        return f" -r -F -a '(__eyecli_references {rest.replace(',', ' ')})'"
    if kind == "run":
        return " -x -a '(__eyecli_runs)'"
    return " -r -F" if kind == "file" else " -x"


SCRIPTS: dict[str, Callable[[Places], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
