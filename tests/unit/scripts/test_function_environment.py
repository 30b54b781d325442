"""The lab's own function runs in an environment that is ready."""

from scripts.setup import FUNCTION


def test_no_cold_start_compiles_the_packages_anew():
    """A function's process may not write byte code: what set-up leaves out, each start does."""
    site = next(FUNCTION.path.glob("lib/python3*/site-packages"))
    for package in ("botocore", "numpy", "onnxruntime"):
        sources = list((site / package).glob("*.py"))
        compiled = list((site / package / "__pycache__").glob("*.pyc"))
        assert sources, package
        assert len(compiled) == len(sources), package
