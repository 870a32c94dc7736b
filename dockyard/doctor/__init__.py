"""Examines this computer: what each engine needs, and what makes Docker commands fail."""
