"""The front door: a proxy on a UNIX socket between the course's clients and its daemon."""
