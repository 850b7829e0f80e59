"""How recordings are read and written: containers, frames, ends, encoders."""
