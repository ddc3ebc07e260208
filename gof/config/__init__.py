"""How a configuration is read, laid on top of another, and refused."""
