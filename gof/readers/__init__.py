"""Networks that read faces off images."""
