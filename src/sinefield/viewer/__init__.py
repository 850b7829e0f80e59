"""A page that shows a field in a browser, which evaluates the network itself: as one file, or served on loopback."""
