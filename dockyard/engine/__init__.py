"""Docker engines: one interface, one module per provider, and what the providers share."""
