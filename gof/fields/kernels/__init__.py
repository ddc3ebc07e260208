"""How the layers of a FiLM-SIREN are evaluated, by device."""
