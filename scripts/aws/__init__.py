"""The lab on AWS itself: bring it up, look at it, take it down without leavings."""
