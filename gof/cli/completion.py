"""What a shell needs to complete a call: verbs, their options, and the values of those that have
few."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from gof.cli.registry import VERBS, Verb
from gof.models.packaged import names

BEFORE = ("--threads", "--device", "--debug", "--version", "--help")
SCRIPT = """_gof() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} verb= k
    local IFS=$' \\t\\n'
    for ((k = 1; k < COMP_CWORD; k++)); do
        case ${{COMP_WORDS[k]}} in
        --threads | --device) ((k++)) ;;
        -*) ;;
        *) verb=${{COMP_WORDS[k]}}; break ;;
        esac
    done
    local values= options=
    case "$verb $before" in
    " --device") values="auto cpu cuda" ;;
{values}
    esac
    if [[ -z $values ]]; then
        case "$verb" in
        "") values="{verbs}"; options="{before}" ;;
{options}
        esac
    fi
    if [[ $word == -* ]]; then values=$options; fi
    COMPREPLY=($(compgen -W "$values" -- "$word"))
    if [[ -n $verb && $word != -* ]]; then COMPREPLY+=($(compgen -f -- "$word")); fi
}}
complete -o filenames -F _gof gof
"""
ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


@dataclass(frozen=True, slots=True)
class CompletionJob:
    """`gof completion`."""

    shell: Literal["bash", "zsh"] = "bash"
    """for which"""


def _choices(kind: Any) -> tuple[str, ...]:
    """The values of a Literal, or of one that may be left out."""
    if get_origin(kind) is Literal:
        return tuple(map(str, get_args(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(value for part in get_args(kind) for value in _choices(part))
    return ()


def _options(verb: Verb) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Options of a verb, and the values of each that has few."""
    job = verb.job_class()
    kinds = get_type_hints(job)
    for own in fields(job):
        option = "--" + own.name.strip("_").replace("_", "-")
        yield option, tuple(names()) if own.name == "generator" else _choices(kinds[own.name])
    if verb.needs != "nothing":
        yield "--config", ()
    yield "--help", ()


def script(shell: str) -> str:
    """A script for the shell to read."""
    values, options = [], []
    for name, verb in VERBS.all().items():
        own = dict(_options(verb))
        options.append(f'        {name}) options="{" ".join(own)}" ;;')
        for option, few in own.items():
            if few:
                values.append(f'    "{name} {option}") values="{" ".join(few)}" ;;')
    text = SCRIPT.format(
        values="\n".join(values),
        options="\n".join(options),
        verbs=" ".join(VERBS.all()),
        before=" ".join(BEFORE),
    )
    return (ZSH if shell == "zsh" else "") + text


def run_completion(wanted: CompletionJob) -> None:
    """Print the script."""
    print(script(wanted.shell), end="")
