"""What a ZEO server needs besides running: packing, backup, restore."""
