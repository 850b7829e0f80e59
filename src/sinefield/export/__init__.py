"""Fields for other programs: each format is a file that writes it, and a line of :mod:`sinefield.export.formats`."""
