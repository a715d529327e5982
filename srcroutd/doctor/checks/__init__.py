"""The checks, one small file a topic: a scene to the findings of that topic."""
