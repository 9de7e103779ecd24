left of an earlier run
