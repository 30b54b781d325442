"""Modules of hardware that is not here, for programs that were written for it."""
