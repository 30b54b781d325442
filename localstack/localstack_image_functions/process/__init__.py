"""Functions as sandboxed processes, from bundles."""
