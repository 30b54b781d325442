"""Who may ask the emulator's gateway for what."""
