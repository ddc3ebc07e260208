"""Tables, figures and the generated blocks of the README, made from files alone."""
