"""For authors: running notebooks, storing their outputs, comparing engines."""
