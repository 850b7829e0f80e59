"""Files to arrays and back, one module for each family of formats; metadata that changes their meaning is read too."""


class SignalWarning(UserWarning):
    """Warns that a signal can be fitted, but is not what it may be taken for: clipped, repaired, or read in part."""
