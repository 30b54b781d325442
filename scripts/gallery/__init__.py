"""Who the lab knows: enrol, forget, list."""
