"""3DMM fits to images and their landmarks."""
