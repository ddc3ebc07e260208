"""What metrics compute, as pure functions of features, rays, depths, points and readings."""
