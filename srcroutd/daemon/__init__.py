"""The long-running service: bells, rounds, state on disk, systemd."""
