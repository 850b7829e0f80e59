"""How pictures are read and written: decoders, profiles, places on Earth, samples, encoders."""
