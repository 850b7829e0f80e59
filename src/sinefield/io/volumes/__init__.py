"""How volumes are read and written: their formats, voxels, and places in space."""
