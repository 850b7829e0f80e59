"""The command line: commands, their options, and what they print."""

from sinefield.cli.commands import main

__all__ = ["main"]
