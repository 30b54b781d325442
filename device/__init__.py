"""The device: records clips, stores and forwards them, shows what came back."""
