"""Sinefield: a signal as one small differentiable function.

Finds a network Φ with sine activations subject to constraints C(x, a(x), Φ, ∇Φ, ∇²Φ, …) = 0 on domains Ω.

>>> import sinefield
>>> solution = sinefield.solve(sinefield.problems.image("sample:camera", longest=32), passes=1)
>>> solution.render(scale=2).shape
(64, 64, 1)
"""

import lazy_loader

__version__ = "0.1.0"

# Public names are imported when they are first used, so that the command line answers `--help` without torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
