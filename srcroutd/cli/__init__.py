"""The two programs, srcroutd and srcroutctl, and the words they print."""
