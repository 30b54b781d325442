"""Every command line of the lab. Nothing imports this package."""
