"""The verbs of the package, a module for each group; a module added here is found by itself."""
