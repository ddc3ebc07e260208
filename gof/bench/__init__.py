"""What the project's parts cost, beside what the machine could do: `gof bench`."""
