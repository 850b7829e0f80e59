"""How clips are read and written: times, colours, turns, ends, encoders."""
