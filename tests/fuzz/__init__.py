"""Hostile bytes for everything that reads what strangers write. `make fuzz SECONDS=n`."""
