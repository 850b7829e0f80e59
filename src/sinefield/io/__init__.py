"""Files and arrays to tensors and back; the only place that knows pixels."""


class SignalWarning(UserWarning):
    """A signal can be fitted, but is not what it may be taken for."""
