"""What device and cloud agree on.

Clip keys and metadata (`clips`), the result message (`results`), the names of the cloud
resources (`names`), how H.264 is read (`annexb`) and what only looks like it (`signatures`),
how JSON from outside is read (`decoding`) and text from outside printed (`printable`).
Nothing here needs more than the standard library to be imported.
"""
