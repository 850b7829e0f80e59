"""The command line, as ``python -m sinefield``."""

from sinefield.cli import main

main()
