"""A run as one self-contained page: the same template for every kind of run."""
