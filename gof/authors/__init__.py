"""What the authors of GOF, pi-GAN and cGOF gave away, as files of ours: weights, and cGOF's
statistics, fits and detections (method-gof 5, method-cgof 6)."""
