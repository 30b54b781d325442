"""What device and cloud agree on.

Clip keys and metadata (`clips`), the result message (`results`), the names of the
cloud resources (`names`) and the one switch between emulator and AWS (`switch`).
Nothing here needs more than the standard library to be imported.
"""
