"""The experiment: all sections together, and what each step of it depends on."""
