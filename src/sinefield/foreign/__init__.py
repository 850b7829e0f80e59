"""Networks that were trained elsewhere, as fields: recognised by the names and shapes of their tensors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
