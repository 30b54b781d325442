"""The proposal network: a small student of dlib's face detector, which it never replaces."""
