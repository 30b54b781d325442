"""A device's identity in the cloud: its queue, and the rights that its credentials need."""
