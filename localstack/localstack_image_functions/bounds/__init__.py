"""Refuses what AWS documents that it refuses, before a provider sees the request.

`model` has what the services' own models say; the other modules have what only their pages say, one
for each service: a function by operation that raises, or does not.
"""
