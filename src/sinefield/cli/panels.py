"""Commands made from the table of kinds: their options, and the help that shows those of each kind in a panel."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from sinefield import kinds
from sinefield.cli.options import Asked, Network, Training
from sinefield.kinds.options import Option, is_given

if TYPE_CHECKING:
    from rich.panel import Panel


def expand(function: Callable[..., None], asked: Mapping[str, Option] | None = None) -> Callable[..., None]:
    """Return a command whose options are the fields of the records that a function takes.

    Args:
        function: of arguments; of records, frozen dataclasses whose fields are annotated as options; and
            of :data:`~sinefield.cli.options.Asked`.
        asked: the options that this one gets, by the names of their fields.
    """
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    parameters: list[inspect.Parameter] = []
    members: dict[str, list[str]] = {}
    for name, hint in hints.items():
        if hint is Asked:
            found = [_of_option(*each) for each in (asked or {}).items()]
        elif is_dataclass(hint):
            found = _of_record(hint)
        else:
            default = inspect.signature(function).parameters[name].default
            parameters.append(_parameter(name, hint, default))
            continue
        members[name] = [each.name for each in found]
        parameters += found

    def command(**values: Any) -> None:
        arguments = {name: value for name, value in values.items() if name in hints}
        for name, taken in members.items():
            some = {each: values[each] for each in taken}
            hint = hints[name]
            arguments[name] = (
                Asked({each: value for each, value in some.items() if is_given(value)})
                if hint is Asked
                else hint(**some)
            )
        function(**arguments)

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # which inspect asks for
    return command


def _parameter(name: str, hint: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _of_record(record: Any) -> list[inspect.Parameter]:
    """Return the fields of a record as parameters; those of a panel of their own are shown after the kinds."""
    found = []
    hints = get_type_hints(record, include_extras=True)
    for each in fields(record):
        kind, declared = get_args(hints[each.name])
        declared = copy.copy(declared)
        if record.panel is not None:
            declared.rich_help_panel, declared.hidden = record.panel, True
        found.append(_parameter(each.name, Annotated[kind, declared], each.default))
    return found


def _of_option(name: str, each: Option) -> inspect.Parameter:
    """Return the field of a record of options as a parameter."""
    declared = typer.Option(*each.flag, metavar=each.metavar, min=each.least, help=each.help)
    kind: Any = bool if each.kind is bool else (list[each.kind] if each.many else each.kind) | None  # type: ignore[name-defined]
    return _parameter(name, Annotated[kind, declared], False if each.kind is bool else None)


def of_kinds(function: Callable[..., None], stage: kinds.Stage) -> Callable[..., None]:
    """Return a command with the options of all kinds, which help shows in panels of their own."""
    command = expand(function, kinds.declared(stage))
    for name in kinds.declared(stage):
        get_args(command.__annotations__[name])[1].hidden = True
    return command


class KindsCommand(TyperCommand):
    """A command with options of kinds, named after what is done: ``fit`` or ``render``."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the general options, then a panel for each kind, then those of special interest."""
        from rich.console import Console

        super().format_help(ctx, formatter)
        stage: kinds.Stage = "fit" if self.name == "fit" else "render"
        console = Console()
        for kind in (kinds.KINDS if stage == "fit" else kinds.views()).values():
            console.print(_panel_of(kind, stage))
        for record in (Network, Training) if stage == "fit" else ():
            console.print(_panel(str(record.panel), _rows_of(record)))


def _rows_of(record: Any) -> list[tuple[str, str]]:
    """Return the options of a record beside what they do."""
    found = []
    for name, hint in get_type_hints(record, include_extras=True).items():
        if name != "panel":
            kind, declared = get_args(hint)
            flags = declared.param_decls or ("--" + name.replace("_", "-"),)
            found.append((f"{', '.join(flags)} {_type_name(kind)}", declared.help))
    return found


def _type_name(kind: Any) -> str:
    """Return how the value of an option is written, of a type or a type or None."""
    names = {int: "INTEGER", float: "FLOAT", bool: "", Path: "PATH"}
    return names.get(next(iter(get_args(kind)), kind), "TEXT")


def _panel_of(kind: kinds.View, stage: kinds.Stage) -> Panel:
    """Return what help tells of a kind."""
    rows = [
        (f"{', '.join(each.flag)} {each.metavar or _type_name(each.kind)}", each.help)
        for each in kind.options(stage).declared().values()
    ]
    example = kind.examples[0 if stage == "fit" else 1]
    below = [f"Example: {example}"]
    if isinstance(kind, kinds.Kind) and stage == "fit":
        below.append(f"Default budget: {kind.budget}.")
    return _panel(kind.title, rows, above=[f"{kind.about} (--kind {kind.name})"] if stage == "fit" else [], below=below)


def _panel(
    title: str, rows: list[tuple[str, str]], above: list[str] | None = None, below: list[str] | None = None
) -> Panel:
    """Return options beside what they do, with lines above and below them."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for name, told in rows:
        table.add_row(Text(name), Text(told))
    lines = [Text(each) for each in above or []], [Text(each, style="dim") for each in below or []]
    return Panel(Group(*lines[0], table, *lines[1]), title=title, title_align="left", border_style="dim")
