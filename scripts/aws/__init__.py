"""The lab on AWS itself: bring it up, look at it, take it down and leave nothing behind."""
