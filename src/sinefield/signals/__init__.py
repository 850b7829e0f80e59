"""Signals: how a field is read back, one kind a file."""
