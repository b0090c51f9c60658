"""Functions of range vectors, over all windows at once."""
