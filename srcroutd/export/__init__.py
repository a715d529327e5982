"""The view in other people's words: scripts and configuration files, and pictures below graph/."""
