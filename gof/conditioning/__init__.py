"""cGOF: conditions, and the losses that hold a generator to them."""
