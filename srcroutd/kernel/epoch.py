"""What names this boot's network namespace: the NICs' sysctls begin and end with it.

A boot or a restarted container gives every NIC its first values back. The boot id alone would not
tell the second one, and an inode number comes back; the cookie of a namespace never does.
"""

import socket
import struct
from pathlib import Path

_SO_NETNS_COOKIE = 71
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/thread-self/ns/net")


def epoch() -> str:
    """The boot's id and the namespace of the calling thread: the same text means the same kernel
    state. Raises OSError where /proc/sys is hidden.
    """
    return f"{_BOOT_ID.read_text().strip()} {_namespace()}"


def _namespace() -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        try:
            raw = any_socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError:  # before Linux 5.14
            return f"inode {_NAMESPACE.stat().st_ino}"
    return f"cookie {struct.unpack('=Q', raw)[0]}"
