"""What can go wrong between us and the kernel, apart from one refused message
(``messages.Failure``).

Each message says what failed, where, and what to do next, for an operator to read as it is.
"""

from srcroutd.core.errors import Exit, OperatorError


class KernelLacks(OperatorError):
    """A feature that we cannot do without is missing from this kernel."""

    exit_code = Exit.KERNEL_LACKS


class NotPermitted(OperatorError):
    """The kernel does not let this process change routing: CAP_NET_ADMIN is missing."""

    exit_code = Exit.NOT_PERMITTED


class TornDump(OperatorError):
    """An observation that did not happen: answers were lost or changed while read. Look again."""

    exit_code = Exit.TEMPORARY
