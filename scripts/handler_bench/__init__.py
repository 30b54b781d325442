"""`make bench-handler`: the report's pipeline against ours, in one process, interleaved."""
