"""What ``srcroutctl doctor`` knows: this host to a ``Scene``, the scene to findings."""
