"""Setting and restoring: exactly ours, exactly once, whatever others do in between."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from srcroutd.core.net import Link
from srcroutd.core.sysctl_needs import Needs, SysctlWant, is_met, needed
from srcroutd.core.sysctl_plan import Change, Memory, Place, SysctlPlan, plan_sysctls
from srcroutd.core.sysctls import ALL, Knob, Sysctl, Values

ETH1 = Link(3, "eth1", "00:16:3e:00:00:01", up=True)
IGNORE = Sysctl(Knob.ARP_IGNORE, "eth1")
WANT = SysctlWant(IGNORE, 1, "shares a subnet with eth0")
OURS = {Place(ETH1.mac, 3, "arp_ignore"): Change(0, 1)}
NOTHING: Memory = {}


def goes(_link: Link) -> str:
    return "cleanup"


def stays(_link: Link) -> None:
    return None


def stand(value: int, every: int = 0) -> Values:
    return {IGNORE: value, Sysctl(Knob.ARP_IGNORE, ALL): every}


def planned(
    wants: list[SysctlWant],
    seen: Values,
    memory: Memory = NOTHING,
    may_go: Callable[[Link], str | None] = goes,
    link: Link = ETH1,
) -> SysctlPlan:
    return plan_sysctls(wants, ([link], seen), memory, may_go)


def told(plan: SysctlPlan) -> list[str]:
    return [str(operation) for operation in plan.operations]


def test_what_stands_there_is_remembered_before_it_is_set() -> None:
    plan = planned([WANT], stand(0))
    assert told(plan) == ["~ sysctl -w net.ipv4.conf.eth1.arp_ignore=1"]
    assert plan.memory == OURS
    (operation,) = plan.operations
    assert (operation.verb, operation.before, operation.because) == ("set", 0, WANT.because)


def test_what_serves_already_is_left_alone_and_is_not_ours() -> None:
    for own, every in ((1, 0), (2, 0), (8, 0), (0, 1), (0, 2)):
        assert planned([WANT], stand(own, every)) == SysctlPlan((), {})


def test_once_it_stands_there_is_nothing_more_to_do() -> None:
    assert planned([WANT], stand(1), OURS) == SysctlPlan((), OURS)


def test_what_nobody_wants_any_more_goes_back_to_what_stood_there() -> None:
    memory = {Place(ETH1.mac, 3, "arp_ignore"): Change(3, 1)}
    plan = planned([], stand(1), memory)
    assert told(plan) == ["~ sysctl -w net.ipv4.conf.eth1.arp_ignore=3"]
    assert plan.operations[0].because == "cleanup"
    assert plan.memory == memory, "remembered until it is seen to have gone back"
    assert planned([], stand(3), memory) == SysctlPlan((), {})


def test_what_we_are_not_sure_of_stays() -> None:
    assert planned([], stand(1), OURS, stays) == SysctlPlan((), OURS)


def test_a_strangers_later_value_is_his() -> None:
    assert planned([], stand(2), OURS) == SysctlPlan((), {}, ((IGNORE, 2),))
    assert planned([WANT], stand(2), OURS) == SysctlPlan((), {}, ((IGNORE, 2),))


def test_a_strangers_value_that_does_not_serve_is_what_goes_back_later() -> None:
    plan = planned([WANT], stand(5), OURS)
    assert told(plan) == ["~ sysctl -w net.ipv4.conf.eth1.arp_ignore=1"]
    assert plan.memory == {Place(ETH1.mac, 3, "arp_ignore"): Change(5, 1)}


def test_what_was_not_read_is_neither_set_nor_forgotten() -> None:
    for seen in ({}, {IGNORE: 1}, {Sysctl(Knob.ARP_IGNORE, ALL): 0}):
        for wants in ([], [WANT]):
            assert planned(wants, seen, OURS) == SysctlPlan((), OURS)


def test_a_nic_that_went_away_is_forgotten_and_a_new_one_is_another() -> None:
    assert plan_sysctls([], ((), {}), OURS, goes) == SysctlPlan((), {})
    again = replace(ETH1, index=9)
    assert planned([], stand(1), OURS, goes, again) == SysctlPlan((), {})
    assert planned([WANT], stand(0), OURS, goes, again).memory == {
        Place(ETH1.mac, 9, "arp_ignore"): Change(0, 1)
    }


def test_a_renamed_nic_is_the_same() -> None:
    renamed = replace(ETH1, name="eth1.5")
    seen = {Sysctl(Knob.ARP_IGNORE, "eth1.5"): 1, Sysctl(Knob.ARP_IGNORE, ALL): 0}
    assert told(planned([], seen, OURS, goes, renamed)) == [
        "~ sysctl -w net.ipv4.conf.eth1/5.arp_ignore=0"
    ]


def test_a_device_that_only_shares_the_mac_is_not_the_one() -> None:
    vlan = replace(ETH1, index=7, name="eth1.5")
    seen = {**stand(1), Sysctl(Knob.ARP_IGNORE, "eth1.5"): 1}
    plan = plan_sysctls([], ([vlan, ETH1], seen), OURS, goes)
    assert told(plan) == ["~ sysctl -w net.ipv4.conf.eth1.arp_ignore=0"]


@settings(max_examples=50)
@given(
    st.permutations(
        [replace(ETH1, index=n, name=f"eth{n}", mac=f"02:00:00:00:00:0{n}") for n in range(3, 6)]
    )
)
def test_the_same_input_gives_the_same_plan_whatever_its_order(links: list[Link]) -> None:
    seen = {Sysctl(knob, nic): 0 for knob in Knob for nic in (ALL, "eth3", "eth4", "eth5")}
    wants = [want for link in links for want in needed(Needs(link.name, "source", ("eth0",)), seen)]
    assert told(plan_sysctls(wants, (links, seen), NOTHING, goes)) == [
        f"~ sysctl -w net.ipv4.conf.eth{n}.{value}"
        for n in range(3, 6)
        for value in ("arp_ignore=1", "arp_announce=2")
    ]


# --- any history ---------------------------------------------------------------------------------

VALUES = st.sampled_from([0, 1, 2, 3, 5, 8, -1])
KNOBS = st.sampled_from(Knob)


@dataclass
class Device:
    """One NIC in a model of the kernel, and the last word of everybody but us on each value."""

    link: Link
    values: dict[Knob, int]
    theirs: dict[Knob, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.theirs = dict(self.values)


class Histories(RuleBasedStateMachine):
    """srcroutd among others: rounds, kills, strangers, renames, detach and attach."""

    @initialize(start=st.lists(VALUES, min_size=14, max_size=14))
    def boot(self, start: list[int]) -> None:
        """Two NICs of one subnet with any values; ``all`` is as the kernel makes it."""
        numbers = iter(start)
        self.next_index, self.next_name = 3, 1
        self.memory: Memory = {}
        self.every = dict.fromkeys(Knob, 0)
        self.devices = [self.make(mac, {knob: next(numbers) for knob in Knob}) for mac in (1, 2)]

    def make(self, mac: int, values: dict[Knob, int]) -> Device:
        """A device that was never there before."""
        self.next_index += 1
        return Device(Link(self.next_index, self.name(), f"00:16:3e:00:00:0{mac}", up=True), values)

    def name(self) -> str:
        """A name that no device has had."""
        self.next_name += 1
        return f"eth{self.next_name}"

    def seen(self) -> Values:
        """What the files say."""
        return {Sysctl(knob, ALL): value for knob, value in self.every.items()} | {
            Sysctl(knob, device.link.name): value
            for device in self.devices
            for knob, value in device.values.items()
        }

    def needs(self) -> list[Needs]:
        """All that can be needed."""
        return [
            Needs(device.link.name, "connmark", ("eth0",), (), secondaries=True, static6=True)
            for device in self.devices
        ]

    def plan(self, *, auto: bool, sure: bool = True) -> SysctlPlan:
        """One look, and what it leads to; the memory is saved at once."""
        seen = self.seen()
        wants = [want for one in self.needs() for want in needed(one, seen)] if auto else []
        plan = plan_sysctls(
            wants, ([one.link for one in self.devices], seen), self.memory, goes if sure else stays
        )
        self.memory = plan.memory
        return plan

    def carry_out(self, plan: SysctlPlan, most: int = 99) -> None:
        """What the kernel does with the first operations of a plan."""
        for operation in plan.operations[:most]:
            (device,) = (one for one in self.devices if one.link.index == operation.ifindex)
            assert device.values[operation.sysctl.knob] == operation.before
            device.values[operation.sysctl.knob] = operation.value

    @rule()
    def round(self) -> None:
        """Policy auto: what is wanted is in force, or ``all`` forbids it."""
        for _ in range(2):  # a need may depend on another value, but none of ours
            self.carry_out(self.plan(auto=True))
        seen = self.seen()
        assert all(is_met(want, seen) for one in self.needs() for want in needed(one, seen))
        assert self.plan(auto=True).operations == ()

    @rule()
    def unsure(self) -> None:
        """Nothing is known of any NIC at present."""
        before = self.seen()
        self.carry_out(self.plan(auto=False, sure=False))
        assert self.seen() == before

    @rule(auto=st.booleans(), most=st.integers(0, 3))
    def killed(self, most: int, *, auto: bool) -> None:
        """Killed after some of the operations; the memory was saved before."""
        self.carry_out(self.plan(auto=auto), most)

    @rule(which=st.integers(0, 1), written=st.dictionaries(KNOBS, VALUES, min_size=1))
    def stranger(self, which: int, written: dict[Knob, int]) -> None:
        """Somebody sets values. The very number that is remembered as ours cannot be told apart
        from ours: nothing announces who wrote.
        """
        device = self.devices[which]
        for knob, value in written.items():
            change = self.memory.get(Place(device.link.mac, device.link.index, knob.file))
            if value != device.values[knob] and not (change and change.ours == value):
                device.values[knob] = device.theirs[knob] = value

    @rule(knob=KNOBS, value=VALUES)
    def stranger_on_all(self, knob: Knob, value: int) -> None:
        """Somebody sets ``all``, which is never ours."""
        self.every[knob] = value

    @rule(which=st.integers(0, 1))
    def renamed(self, which: int) -> None:
        """The device keeps everything but its name."""
        device = self.devices[which]
        device.link = replace(device.link, name=self.name())

    @rule(which=st.integers(0, 1), start=st.lists(VALUES, min_size=7, max_size=7))
    def attached_again(self, which: int, start: list[int]) -> None:
        """The same MAC on a new device, with the values that ``default`` has just now."""
        self.devices[which] = self.make(which + 1, dict(zip(Knob, start, strict=True)))

    @rule()
    def cleanup(self) -> None:
        """Every value is what everybody else last wanted it to be, and nothing is remembered."""
        self.carry_out(self.plan(auto=False))
        assert [device.values for device in self.devices] == [one.theirs for one in self.devices]
        assert self.plan(auto=False) == SysctlPlan((), {})

    def teardown(self) -> None:
        """Each history ends like this."""
        if hasattr(self, "devices"):
            self.cleanup()


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
