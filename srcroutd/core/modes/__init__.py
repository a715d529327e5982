"""The ways in which a NIC can be source routed: one file a mode, each from a ``Nic`` to a
``NicDesired``.
"""
