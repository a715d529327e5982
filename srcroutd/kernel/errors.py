"""What can go wrong between us and the kernel, apart from one refused message
(``messages.Failure``).

Each message says what failed, where, and what to do next, for an operator to read as it is.
"""


class KernelLacks(Exception):
    """A feature that we cannot do without is missing from this kernel."""


class NotPermitted(Exception):
    """The kernel does not let this process change routing: CAP_NET_ADMIN is missing."""


class TornDump(Exception):
    """An observation that did not happen: answers were lost or changed while read. Look again."""
