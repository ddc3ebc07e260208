"""From the words of a call to a verb's job: options are derived from its dataclass by cyclopts, and
so is their help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Annotated, Any

from cyclopts import (
    App,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    UnusedCliTokensError,
)
from cyclopts.help import DefaultFormatter, HelpPanel, PanelSpec
from rich.box import Box
from rich.console import Console, ConsoleOptions
from rich.text import Text

from gof.cli.registry import Verb
from gof.models.packaged import located

UNFRAMED = Box("    \n" * 8, ascii=True)
OPTIONS = Group("Options")
CONFIG = Parameter(
    help="YAML files, later ones on top, or JSON text",
    show_default=lambda _: "config.yaml in this folder",
    group=OPTIONS,
)


class Plain(DefaultFormatter):
    """Help without frames, the texts under fields as running text."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print a panel."""
        texts = [entry.description.primary_renderable.plain for entry in panel.entries]
        entries = [
            entry.copy(description=Text(" ".join(text.split())))
            for entry, text in zip(panel.entries, texts, strict=True)
        ]
        super().__call__(console, options, panel.copy(entries=entries))


class UsageError(Exception):
    """A call that names no job; the text is one line."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a call asks for: the job, and where its configuration comes from."""

    job: Any
    config: tuple[str, ...] = ()


def parsed(verb: Verb, words: Sequence[str]) -> Call | None:
    """The job that the words after a verb describe; None once its help is printed. Raises
    UsageError."""
    app = _app(verb)
    try:
        command, bound, _ = app.parse_args(list(words), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise UsageError(f"{verb.name}: {_reason(error)}: see gof {verb.name} --help") from None
    found = command(*bound.args, **bound.kwargs)
    if isinstance(found, Call):
        return found
    print(f"example: {verb.example}")
    return None


def _reason(error: CycloptsError) -> str:
    if isinstance(error, MissingArgumentError) and error.argument and not error.argument.tokens:
        odd = [word for word in error.unused_tokens or () if word.startswith("-")]
        also = f", and {odd[0]} is no option" if odd else ""
        return f"{error.argument.name} is missing{also}"
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"{' '.join(error.unused_tokens)}: belongs to no option"
    return " ".join(str(error).split()).rstrip(".")


def _app(verb: Verb) -> App:
    app = App(
        name=f"gof {verb.name}",
        help=verb.summary,
        help_format="plaintext",
        help_formatter=Plain(panel_spec=PanelSpec(box=UNFRAMED, padding=(0, 0))),
        version_flags=(),
        group_commands=Group("Commands", show=False),
        default_parameter=Parameter(negative=(), consume_multiple=True),
    )
    app.default(_command(verb))
    return app


def _located(job: Any) -> Any:
    """The job with the file of a packaged generator where it calls one by name."""
    named = getattr(job, "generator", None)
    return job if named is None else replace(job, generator=located(named))


def _command(verb: Verb) -> Callable[..., Call]:
    """A function whose parameters are the fields of the verb's job and, where it reads one, the
    configuration: what cyclopts looks at."""
    kind = verb.job_class()

    def call(job: Any = None, *, config: tuple[str, ...] = ()) -> Call:
        return Call(kind() if job is None else _located(job), config)

    takes = []
    if own := fields(kind):
        needed = any(f.default is MISSING and f.default_factory is MISSING for f in own)
        job_type = Annotated[kind, Parameter(name="*", group=OPTIONS)]  # type: ignore[valid-type]
        default = inspect.Parameter.empty if needed else kind()
        word = inspect.Parameter.POSITIONAL_OR_KEYWORD
        takes.append(inspect.Parameter("job", word, default=default, annotation=job_type))
    if verb.needs != "nothing":
        config_type = Annotated[tuple[str, ...], CONFIG]
        option = inspect.Parameter.KEYWORD_ONLY
        takes.append(inspect.Parameter("config", option, default=(), annotation=config_type))
    call.__signature__ = inspect.Signature(takes)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in takes}
    return call
