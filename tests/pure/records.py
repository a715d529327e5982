"""One entry of each kind, with no more fields than that kind always has, made as the daemon makes
them.
"""

from ipaddress import ip_address, ip_interface, ip_network

from srcroutd.core import entries, entries_chores, entries_config
from srcroutd.core.assigned import RaiseLink, TakeAddress
from srcroutd.core.difference import differences
from srcroutd.core.entry import Entry, Who
from srcroutd.core.inventory import Addressing, Eni, Inventory, Unknown
from srcroutd.core.net import Family, Route, Rule
from srcroutd.core.numbering import Domain, Seat
from srcroutd.core.operation import Chore, Operation, Phase, ThingKind
from srcroutd.core.sysctls import Knob, Sysctl
from srcroutd.core.view import Refusal
from srcroutd.daemon.audit import Audit

ENI1 = Who("eth1", "eni-1", 1)
NOBODY = Who(seat=7)
RULE = Rule(Family.V6, 18016, table=18001, src=ip_network("2001:db8::5/128"), protocol=83)
JUMP = Rule(Family.V4, 18000, table=0, protocol=83)
ROUTE = Route(
    Family.V4,
    18001,
    ip_network("0.0.0.0/0"),
    gateway=ip_address("192.0.2.1"),
    oif=3,
    dev="eth1",
    prefsrc=ip_address("192.0.2.5"),
)
OTHER = Route(Family.V4, 18001, ip_network("0.0.0.0/0"), gateway=ip_address("192.0.2.9"))
ADD = Operation(Phase.ADD_RULES, "add", RULE, RULE, 1, "first address of eni-1")
DELETE = Operation(Phase.DELETE_RULES, "delete", JUMP, JUMP, 7, "gone from metadata")
PUT = Operation(Phase.PUT_ROUTES, "add", ROUTE, ROUTE, 1, "gateway of eni-1")
REPLACE = Operation(Phase.PUT_ROUTES, "replace", ROUTE, ROUTE, 1, "gateway of eni-1", OTHER)
DROP = Operation(Phase.DELETE_ROUTES, "delete", OTHER, OTHER, 7, "no longer wanted")
TABLE = Chore(ThingKind.MARKS, "nft table inet srcroutd")
MARK = Operation(Phase.PUT_MARKS, "replace", "marks", TABLE, 0, "marks of eth1")
UNMARK = Operation(Phase.DELETE_MARKS, "delete", "marks", TABLE, 0, "no NIC marks")
ON = Chore(ThingKind.SYSCTL, "sysctl -w net.ipv4.conf.eth1.src_valid_mark=1")
SET = Operation(Phase.SET_SYSCTLS, "replace", "sysctl", ON, 1, "rp_filter is strict")
RESTORE = Operation(Phase.RESTORE_SYSCTLS, "replace", "sysctl", ON, 1, "policy leave")
ASSIGN_KEY = RaiseLink(3)
REMOVE_KEY = TakeAddress(3, ip_interface("192.0.2.6/32"))
ASSIGN = Operation(
    Phase.ASSIGN_ADDRESSES,
    "add",
    ASSIGN_KEY,
    Chore(ThingKind.ADDRESS, ASSIGN_KEY.words("eth1")),
    1,
    "nobody else sets eth1 up",
)
REMOVE = Operation(
    Phase.REMOVE_ADDRESSES,
    "delete",
    REMOVE_KEY,
    Chore(ThingKind.ADDRESS, REMOVE_KEY.words("eth1")),
    1,
    "no longer an address of eni-1",
)

OLD = Eni(
    "eni-1",
    "00:16:3e:00:00:01",
    Addressing(
        (ip_address("192.0.2.5"), ip_address("192.0.2.6")),
        ip_network("192.0.2.0/24"),
        ip_address("192.0.2.1"),
    ),
)
NEW = Eni(
    "eni-1",
    "00:16:3e:00:00:01",
    Addressing(
        (ip_address("192.0.2.7"), ip_address("192.0.2.5")),
        ip_network("192.0.2.0/25"),
        ip_address("192.0.2.126"),
        (ip_network("198.51.100.0/28"),),
    ),
)


def inventory(*enis: Eni, unlisted: frozenset[str] = frozenset(), primary: str = "") -> Inventory:
    return Inventory("aliyun", {eni.mac: eni for eni in enis}, {}, unlisted, primary or None)


def of_metadata() -> list[Entry]:
    """What differences there are, where the kernel does not have the NIC."""
    gone = frozenset({OLD.mac})
    steps = (
        (inventory(), inventory(OLD)),
        (inventory(OLD), inventory(NEW)),
        (inventory(OLD), inventory(OLD, unlisted=gone)),
        (inventory(OLD, unlisted=gone), inventory(OLD)),
        (inventory(OLD), inventory()),
        (inventory(primary="00:16:3e:00:00:01"), inventory(primary="00:16:3e:00:00:02")),
    )
    return [entry for before, after in steps for entry in differences(before, after, {})]


def of_everything() -> list[Entry]:
    """One entry of each kind, as a sink gets it."""
    audit, kept = Audit(), list[Entry]()
    audit.subscribe(kept.append)
    audit.applied(
        7, [(ADD, Who()), (DELETE, NOBODY), (PUT, Who()), (REPLACE, ENI1), (DROP, NOBODY)]
    )
    audit.applied(7, [(MARK, NOBODY), (UNMARK, NOBODY), (SET, ENI1), (RESTORE, ENI1)])
    audit.applied(7, [(ASSIGN, ENI1), (REMOVE, NOBODY)])
    audit.say(entries_chores.address_let_go(REMOVE_KEY.interface, "eth1"))
    audit.say(entries_chores.address_duplicate(REMOVE_KEY.interface, "eth1"))
    audit.say(entries_chores.marks_unavailable("nft is not there"))
    audit.say(entries_chores.marks_available())
    audit.say(entries_chores.sysctls_unavailable("/proc is read-only"))
    audit.say(entries_chores.sysctl_let_go(Sysctl(Knob.ARP_IGNORE, "eth1"), 2, ENI1))
    for entry in (
        entries.refused(Refusal(DELETE, 101, "Network is unreachable"), NOBODY),
        entries.contested(PUT, ENI1, "Look for a script."),
        entries.unsettled("the kernel keeps changing"),
        entries.settled(),
        entries.shadowed(OTHER),
        entries.shadow_gone("18001 0.0.0.0/0"),
        *of_metadata(),
        entries.eni_waits("00:16:3e:00:00:03", "", "no subnet yet"),
        entries.metadata_unknown(Unknown("aliyun: 503", "status")),
        entries.metadata_answers("aliyun"),
        entries.ready(42.4, "in sync"),
        entries.once_done("in sync"),
        entries.stopped(),
        entries_config.reloaded("/etc/srcroutd/srcroutd.toml"),
        entries_config.access_left_out("srcroutd.toml:3: [[access]] number 1", "it would stop DNS"),
        entries_config.access_unsure("who is logged in by ssh: no sock_diag"),
        entries_config.reload_refused("/etc/srcroutd/srcroutd.toml", "line 3: unknown key"),
        entries_config.trial_began("/etc/srcroutd/srcroutd.toml.trial", 60),
        entries_config.trial_kept("/etc/srcroutd/srcroutd.toml"),
        entries_config.trial_returned("/etc/srcroutd/srcroutd.toml"),
        entries.standing_by(12),
        entries.resumed(),
        entries_config.numbers_moved(Domain(84), Domain()),
        entries_config.numbers_cleared(Domain()),
        entries.seat_conflict(1, 18001, "table 18001 already holds a stranger's route"),
        entries.seats_exhausted("eni-99"),
        entries.seat_recovered(Seat(1, "eni-1", "00:16:3e:00:00:01")),
        entries.state_damaged("/var/lib/srcroutd/numbers.json", "not JSON"),
        entries.state_unwritable(
            "/var/lib/srcroutd/numbers.json", OSError(28, "No space left on device")
        ),
        entries.state_writable("/var/lib/srcroutd/numbers.json"),
        entries.facts_of_another(),
        entries.not_delivered(3, "see stderr"),
        entries.cannot_listen("/run/srcroutd/control.sock", "Permission denied"),
        entries.cannot_run("no CAP_NET_ADMIN", 77),
        entries.bug("KeyError", "'x'", "Traceback ...\n  line 2\n"),
    ):
        audit.say(entry)
    return kept
