"""A package, so that one of the same name which a dependency brings does not stand in its place."""
