"""Function URLs: requests become events of format 2.0, results become responses."""
