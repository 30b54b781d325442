"""Where the cloud is and who we are to it: the one switch, and credentials."""
