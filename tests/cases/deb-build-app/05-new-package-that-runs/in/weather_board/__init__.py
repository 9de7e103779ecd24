"""A board."""
__version__ = "0.3b1"
