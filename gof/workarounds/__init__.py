"""What meets faults of other packages."""
