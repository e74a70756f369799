"""Side-by-side measurements: one full check of a weight set, by this package and by its peers."""
