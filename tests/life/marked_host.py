"""A host that many programs share, in mode connmark: what stands there, and how it is told.

The look at everything comes once an hour: what is healed is healed by its event.
"""

import re
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from tests.life.enis import ETH0, ETH1, ETH2
from tests.life.host import Host, same, until
from tests.life.strangers_tables import nft, ruleset

HEALED_S = 2.0
MARKS = '[[nic]]\nname = "eth1"\nmode = "connmark"\nsysctls = "auto"\n'
BOTH = MARKS + MARKS.replace("eth1", "eth2")
RARELY = "look = 3600"
OUR_TABLE = ("list", "table", "inet", "srcroutd")
_SHOWN = ("rule", "route show table all")


def sysctls() -> str:
    """Every sysctl of every NIC, both families."""
    found = []
    for path in sorted(Path("/proc/sys/net").glob("ipv[46]/conf/*/*")):
        try:
            found.append(f"{path} {path.read_text().strip()}")
        except OSError:
            continue  # stable_secret is not to be read before it is set
    return "\n".join(found)


def everything(host: Host) -> str:
    """All that a cleanup must give back, as the tools print it."""
    shown = [host.ip(f"{family} {words}") for family in ("-4", "-6") for words in _SHOWN]
    return "\n".join([*shown, sysctls(), ruleset()])


def marked(host: Host) -> str:
    """What is ours, rules, routes and table, once it stands and is still."""
    until(lambda: "table inet srcroutd {" in ruleset(), 5.0, "the table is there")
    return host.settled()


def table() -> str:
    """Our table; handles are new each time."""
    return nft(*OUR_TABLE) if "table inet srcroutd {" in ruleset() else ""


def reload(host: Host, extra: str) -> None:
    """Take another configuration."""
    host.configure(ETH0, ETH1, ETH2, more=RARELY, extra=extra)
    host.daemons[-1].send(signal.SIGHUP)


def is_again(host: Host, before: str) -> None:
    """Wait until everything is as it was, byte for byte."""
    end = time.monotonic() + 5.0
    while everything(host) != before and time.monotonic() < end:
        time.sleep(0.02)
    same(before, everything(host))


def valid_mark(nic: str) -> str:
    """What src_valid_mark of this NIC is."""
    return Path(f"/proc/sys/net/ipv4/conf/{nic}/src_valid_mark").read_text().strip()


def by_mark(ours: str) -> list[str]:
    """The rules for marks."""
    return [line for line in ours.splitlines() if "fwmark" in line]


def drop_rules(host: Host, rules: Iterable[str]) -> None:
    """Take these away."""
    for line in rules:
        found = re.match(r"ip (-6 )?rule (\d+):", line)
        assert found
        host.ip(f"{found[1] or ''}rule del priority {found[2]} protocol 83")
