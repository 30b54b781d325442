"""Who the lab knows: enroll, forget, list."""
