"""Stand-ins for what tests can't have: faithful at the seams, faulty on demand."""
