"""Where the daemon comes from: one small interface, one module a provider."""
