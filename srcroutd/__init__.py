"""srcroutd: source routing for cloud hosts with several NICs."""

__version__ = "0.1.0"
