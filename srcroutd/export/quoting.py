"""Words from metadata, configuration and kernel, made harmless for scripts, unit files and YAML.

Promise: nothing that an ENI, a provider or a NIC is called can end the comment, word or line that
it stands in. Addresses and numbers need no help: they are values, not text.
"""

import re

from srcroutd.core.errors import Exit, OperatorError

_DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]{0,14}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2})+")


class NotSayable(OperatorError):
    """Something that no format can say safely."""

    exit_code = Exit.USAGE


def device(name: str) -> str:
    """A NIC's name, which means nothing but itself in any of the formats. Raises NotSayable.

    The kernel forbids white space and ``/`` only; ``;``, quotes and ``$`` are allowed there.
    """
    if not _DEVICE.fullmatch(name):
        raise NotSayable(
            f"{name!r} cannot be written into a script or unit file safely; next: rename that NIC "
            "(ip link set NAME name NEW), or name the others with --nic"
        )
    return name


def hardware(mac: str) -> str:
    """A MAC in lower case with colons. Raises NotSayable."""
    if not _MAC.fullmatch(mac):
        raise NotSayable(f"{mac!r} is no MAC; next: look at ip link, or leave that NIC out (--nic)")
    return mac


def remark(text: str) -> str:
    """Text for one line of comment: printable ASCII, and no backslash to continue the line with."""
    return "".join(char if " " <= char <= "~" and char != "\\" else "?" for char in text)
