"""Fields in the tools that people use: scikit-learn, xarray, napari and notebooks; each a file, and an extra."""
