"""The class guide's exercises: what must be true when one is solved, looked at where it happens."""
