"""What people run on the laptop: the lab itself, provisioning, enrollment, benches."""
