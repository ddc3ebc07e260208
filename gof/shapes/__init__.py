"""Fields become meshes."""
