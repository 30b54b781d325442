"""What AWS documents, asked of an endpoint: `python -m conformance --help`, in the folder above.

`behaviors/` has the behaviors as data; `README.md` says how one is written down.
"""
