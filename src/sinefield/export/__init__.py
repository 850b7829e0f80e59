"""Fields for other programs: each format is a file that writes it, and a line of :mod:`sinefield.export.formats`."""

import lazy_loader

# The table of formats is read without PyTorch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
