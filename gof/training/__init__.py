"""Training: one state, pure steps, a loop that orders them."""
