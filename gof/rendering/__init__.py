"""Rays become pixels. Notation: t, distances along a ray, sorted; logits, of occupancy; alpha,
opacity of a sample; weights, alpha times the transmittance before it; delta, spacing of samples.
Shapes are [batch, rays, samples]."""
