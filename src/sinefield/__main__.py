"""The command line, as ``python -m sinefield``."""

from sinefield.cli.commands import main

main()
