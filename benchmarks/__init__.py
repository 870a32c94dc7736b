"""What the course costs: the same thing with the course and without it, as a ratio."""
