"""The machine engine: a real dockerd in a small virtual machine, without privileges."""
