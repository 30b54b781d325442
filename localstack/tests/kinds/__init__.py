"""What AWS keeps for a lab, kind by kind: how it is made, and how to see that it survived."""
