"""The commands of ``python3 -m dockyard``, one module for each."""
