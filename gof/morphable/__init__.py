"""Linear 3DMMs of faces: coefficients, landmarks, meshes."""
