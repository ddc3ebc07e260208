"""Networks that look at images for a metric: feature extractors, and one that learns depth."""
