"""One finding: what is so on this host, why it matters, what to do about it.

A slug is for ever: scripts filter by it, and docs/doctor.md has a section for each.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters: something is broken, will break on some event, or is good to
    know.
    """

    PROBLEM = "problem"
    RISK = "risk"
    NOTE = "note"


_ORDER = tuple(Severity)


class Slug(StrEnum):
    """Every finding there is, in the order in which findings of one severity are shown."""

    DAEMON_NOT_RUNNING = "daemon-not-running"
    DAEMON_NOT_SEEN = "daemon-not-seen"
    CONFIGURATION = "configuration"
    ACCESS_CUTS_OFF = "access-cuts-off"
    STATE_DIRECTORY = "state-directory"
    METADATA_TROUBLE = "metadata-trouble"
    NOT_IN_SYNC = "not-in-sync"
    STANDING_BY = "standing-by"
    CONFLICT = "conflict"
    NETWORKD_FOREIGN = "networkd-foreign"
    NETWORKMANAGER = "networkmanager"
    NM_PROFILE = "nm-profile"
    IFCFG_FILES = "ifcfg-files"
    RIVAL_AGENT = "rival-agent"
    DUAL_TRAFFIC_SCRIPT = "dual-traffic-script"
    RULE_OF_RECIPE = "rule-of-recipe"
    RC_LOCAL = "rc-local"
    NETPLAN_POLICY = "netplan-policy"
    NETWORKD_POLICY = "networkd-policy"
    CLOUD_INIT_POLICY = "cloud-init-policy"
    INTERFACES_COMMANDS = "interfaces-commands"
    TABLE_LABEL = "table-label"
    MARK_WITHOUT_MASK = "mark-without-mask"
    SRC_VALID_MARK = "src-valid-mark"
    STRANGER_DECIDES = "stranger-decides"
    STRANGER_IN_BAND = "stranger-in-band"
    PROTOCOL_ELSEWHERE = "protocol-elsewhere"
    NEIGHBOUR = "neighbour"
    RP_FILTER_DROPS = "rp-filter-drops"
    RP_FILTER_STRICT = "rp-filter-strict"
    ARP_FLUX = "arp-flux"
    PROMOTE_SECONDARIES = "promote-secondaries"
    KEEP_ADDR_ON_DOWN = "keep-addr-on-down"
    IPV6_DISABLED = "ipv6-disabled"
    NIC_DOWN = "nic-down"
    NIC_NOT_ROUTED = "nic-not-routed"
    NIC_WITHOUT_ADDRESS = "nic-without-address"
    ADDRESS_NOT_ON_NIC = "address-not-on-nic"
    ADDRESS_NOT_LISTED = "address-not-listed"
    ADDRESS_TWICE = "address-twice"
    SECONDARY_DEFAULT = "secondary-default"
    NO_DEFAULT_ROUTE = "no-default-route"
    UDP_WILDCARD = "udp-wildcard"
    DNAT_REPLIES = "dnat-replies"


_PLACE = {slug: place for place, slug in enumerate(Slug)}


@dataclass(frozen=True, slots=True)
class Finding:
    """``nic`` is empty where it is about the whole host; ``what`` and ``why`` are sentences without
    a full stop. ``next`` has a step a line; one that begins with ``$`` is a command for root.
    """

    slug: Slug
    severity: Severity
    nic: str
    what: str
    why: str
    next: str

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Problems first, then by kind, NIC and words: the same host gives the same list."""
        return (_ORDER.index(self.severity), _PLACE[self.slug], self.nic, self.what)
