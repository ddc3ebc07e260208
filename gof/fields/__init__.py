"""What fills space: the two methods of a bound field, and fields that have them."""
