"""What the course costs: each thing it does beside the same thing done without it, as a ratio."""
