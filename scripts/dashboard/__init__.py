"""The dashboard: a page on loopback that follows a running lab. `facelab dashboard` serves it."""
