"""A guest book: everybody reads it, managers write."""
