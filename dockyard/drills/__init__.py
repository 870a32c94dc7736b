"""Drills: practice of less than a minute, judged by the daemon's state, and offered again later."""
