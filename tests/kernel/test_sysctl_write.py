"""Sysctls against the real kernel: what is read, what is written, and what is refused how."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from srcroutd.core.net import Link
from srcroutd.core.sysctl_needs import Needs, SysctlWant, needed
from srcroutd.core.sysctl_plan import Memory, SysctlOperation, SysctlPlan, plan_sysctls
from srcroutd.core.sysctls import ALL, Knob, Sysctl
from srcroutd.kernel.epoch import epoch
from srcroutd.kernel.sysctl_write import SysctlRefused, Written, look, write

Ip = Callable[[str], str]
ROOT = Path("/proc/sys/net")
HERE = Path(__file__).parents[2]
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
ADMIN = (*NOBODY[:-1], "--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin")
ADMIN_ONLY = (*ADMIN, "--bounding-set=-all,+net_admin")
BOXED = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-euc")
"""A /proc of its own: the machine's is out of reach."""
READ_ONLY = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; exec "
HIDDEN = "mount -t proc -o subset=pid proc /proc; exec "

SET = """
import sys
from srcroutd.core.sysctl_plan import SysctlOperation
from srcroutd.core.sysctls import Knob, Sysctl
from srcroutd.kernel.sysctl_write import SysctlRefused, look, write
knob, index, before, value = Knob[sys.argv[1]], *map(int, sys.argv[2:])
sysctl = Sysctl(knob, "eth1")
try:
    look(["eth1"])
    print(write(SysctlOperation("set", sysctl, index, before, value, "")).name)
except SysctlRefused as error:
    print(error)
"""


def stands(knob: Knob, nic: str = "eth1") -> int:
    """What a file of this namespace says."""
    return int(ROOT.joinpath(*Sysctl(knob, nic).path).read_text())


def put(knob: Knob, value: int, nic: str = "eth1") -> None:
    """What a stranger does."""
    ROOT.joinpath(*Sysctl(knob, nic).path).write_text(str(value))


def operation(index: int, *, before: int = 0, value: int = 1, nic: str = "eth1") -> SysctlOperation:
    sysctl = Sysctl(Knob.ARP_IGNORE, nic)
    return SysctlOperation("set", sysctl, index, before, value, "a test")


def elsewhere(*words: str, index: int, knob: Knob = Knob.ARP_IGNORE) -> str:
    """What another process says of the same write; ``words`` are put before Python's."""
    python = [sys.executable, "-c", SET, knob.name, str(index), "0", "1"]
    command = [*words, *python]
    if words and words[-1] in {READ_ONLY, HIDDEN}:
        command = [*words[:-1], words[-1] + '"$@"', "sh", *python]
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, check=False, env=environment()
    )
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def environment() -> dict[str, str]:
    """Ours, with this tree first."""
    return {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}


# --- reading -------------------------------------------------------------------------------------


def test_every_knob_of_the_nics_named_and_of_all_is_read(nics: dict[str, int]) -> None:
    for number, knob in enumerate(Knob):
        put(knob, number)
        put(knob, number + 10, ALL)
    seen = look(nics)
    assert seen == {Sysctl(knob, nic): stands(knob, nic) for knob in Knob for nic in (ALL, *nics)}
    assert [seen[Sysctl(knob, "eth1")] for knob in Knob] == [*range(7)]


def test_a_nic_that_is_not_there_or_cannot_be_is_left_out(nics: dict[str, int]) -> None:
    assert look([*nics, "eth7", "../all", "", "default"]) == look(nics)


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("knob", Knob)
def test_each_knob_is_set_and_restored(nics: dict[str, int], knob: Knob) -> None:
    there = SysctlOperation("set", Sysctl(knob, "eth1"), nics["eth1"], stands(knob), 2, "")
    back = replace(there, verb="restore", before=2, value=there.before)
    assert write(there) is Written.DONE
    assert (stands(knob), stands(knob, "eth2"), stands(knob, ALL)) == (2, there.before, 0)
    assert write(back) is Written.DONE
    assert stands(knob) == there.before


def test_what_somebody_changed_meanwhile_is_not_overwritten(nics: dict[str, int]) -> None:
    put(Knob.ARP_IGNORE, 8)
    assert write(operation(nics["eth1"])) is Written.MOVED
    assert stands(Knob.ARP_IGNORE) == 8


def test_a_nic_that_went_away_is_no_error(ip: Ip, nics: dict[str, int]) -> None:
    ip("link delete eth1")
    assert write(operation(nics["eth1"])) is Written.GONE


def test_another_nic_that_took_over_the_name_is_not_written(ip: Ip, nics: dict[str, int]) -> None:
    for words in ("eth1 down", "eth2 down", "eth1 name old", "eth2 name eth1"):
        ip(f"link set {words}")
    assert write(operation(nics["eth1"])) is Written.GONE
    assert (stands(Knob.ARP_IGNORE), stands(Knob.ARP_IGNORE, "old")) == (0, 0)


@pytest.mark.parametrize("name", ["eth1.5", "a;b$(x)", "...", "é"])
def test_names_that_are_odd_and_real(ip: Ip, nics: dict[str, int], name: str) -> None:
    ip("link set eth1 down")
    ip(f"link set eth1 name {name}")
    assert write(operation(nics["eth1"], nic=name)) is Written.DONE
    assert stands(Knob.ARP_IGNORE, name) == 1
    assert look([name])[Sysctl(Knob.ARP_IGNORE, name)] == 1


@pytest.mark.parametrize("name", [ALL, "default"])
def test_what_is_no_nics_own_is_never_written(netns: None, name: str) -> None:  # noqa: ARG001 - the namespace is where it runs
    with pytest.raises(ValueError, match="not a NIC's own"):
        write(operation(1, nic=name))
    assert stands(Knob.ARP_IGNORE, name) == 0


def test_a_number_that_the_kernel_does_not_take_is_told(nics: dict[str, int]) -> None:
    with pytest.raises(SysctlRefused, match=r"eth1\.arp_ignore to 2147483648: Invalid argument"):
        write(operation(nics["eth1"], value=2**31))


# --- who may, and where --------------------------------------------------------------------------


@pytest.fixture
def nobody() -> None:
    """Another user can read this tree, and there is one: root of a box may be alone in it."""
    words = [*NOBODY, sys.executable, "-c", "import srcroutd"]
    done = subprocess.run(words, cwd=HERE, env=environment(), capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nobody else can run srcroutd here")


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("knob", [Knob.ARP_IGNORE, Knob.KEEP_ADDR_ON_DOWN])
def test_another_user_with_that_one_capability_may(nics: dict[str, int], knob: Knob) -> None:
    assert elsewhere(*ADMIN_ONLY, index=nics["eth1"], knob=knob) == "DONE"
    assert stands(knob) == 1


@pytest.mark.usefixtures("nobody")
def test_another_user_without_it_is_told_what_is_missing(nics: dict[str, int]) -> None:
    said = elsewhere(*NOBODY, index=nics["eth1"])
    assert said == (
        "cannot set net.ipv4.conf.eth1.arp_ignore to 1: Permission denied; next: give it "
        'CAP_NET_ADMIN in the namespace that owns this network, or set sysctls = "leave" and type '
        "it yourself: sysctl -w net.ipv4.conf.eth1.arp_ignore=1"
    )
    assert stands(Knob.ARP_IGNORE) == 0


def test_a_read_only_proc_is_told_with_the_units_setting(nics: dict[str, int]) -> None:
    said = elsewhere(*BOXED, READ_ONLY, index=nics["eth1"])
    assert said.startswith(
        "cannot set net.ipv4.conf.eth1.arp_ignore to 1: /proc/sys is read-only here; next: in a "
        "service with ProtectKernelTunables=yes add ReadWritePaths=/proc/sys/net (systemctl edit "
        "srcroutd), in a container let that write /proc/sys/net, or set"
    )
    assert stands(Knob.ARP_IGNORE) == 0


def test_a_hidden_proc_is_told_with_the_units_setting(nics: dict[str, int]) -> None:
    said = elsewhere(*BOXED, HIDDEN, index=nics["eth1"])
    assert said.startswith("cannot look at /proc/sys/net: No such file or directory; next: show it")
    assert "ProcSubset=all" in said


# --- the whole way -------------------------------------------------------------------------------


@pytest.fixture
def link(ip: Ip, nics: dict[str, int]) -> Link:
    """eth1 as a value, with its real MAC."""
    found = re.search(r"link/ether (\S+)", ip("link show dev eth1"))
    assert found
    return Link(nics["eth1"], "eth1", found[1], up=True)


def carried_out(plan: SysctlPlan) -> Memory:
    """What is to be remembered once every operation is done."""
    assert {write(one) for one in plan.operations} <= {Written.DONE}
    return plan.memory


def wants(link: Link) -> list[SysctlWant]:
    """Everything that a NIC can need."""
    needs = Needs(link.name, "connmark", ("eth0",), secondaries=True, static6=True)
    return [*needed(needs, look([link.name]))]


def test_set_then_cleaned_up_leaves_every_file_as_it_was_but_a_strangers_later_word(
    link: Link,
) -> None:
    put(Knob.RP_FILTER, 1, ALL)
    put(Knob.ARP_IGNORE, 3)
    put(Knob.KEEP_ADDR_ON_DOWN, -1)
    before = every_file()
    plan = plan_sysctls(wants(link), ([link], look(["eth1"])), {}, lambda _: None)
    memory = carried_out(plan)
    assert [str(one) for one in plan.operations] == [
        "~ sysctl -w net.ipv4.conf.eth1.src_valid_mark=1",
        "~ sysctl -w net.ipv4.conf.eth1.arp_ignore=1",
        "~ sysctl -w net.ipv4.conf.eth1.arp_announce=2",
        "~ sysctl -w net.ipv4.conf.eth1.promote_secondaries=1",
        "~ sysctl -w net.ipv6.conf.eth1.keep_addr_on_down=1",
    ]
    assert plan_sysctls(wants(link), ([link], look(["eth1"])), memory, lambda _: None) == (
        SysctlPlan((), memory)
    )
    put(Knob.ARP_IGNORE, 2)
    carried_out(plan_sysctls([], ([link], look(["eth1"])), memory, lambda _: "cleanup"))
    assert every_file() == {**before, Sysctl(Knob.ARP_IGNORE, "eth1").path: "2\n"}


def every_file() -> dict[tuple[str, ...], str]:
    """Everything below net/ipv4/conf and net/ipv6/conf that can be read."""
    found = {}
    for family in ("ipv4", "ipv6"):
        for file in sorted((ROOT / family / "conf").glob("*/*")):
            if file.stat().st_mode & 0o400 and file.name != "stable_secret":
                found[file.relative_to(ROOT).parts] = file.read_text()
    return found


def test_a_rename_keeps_the_values_and_an_attach_brings_the_defaults(
    ip: Ip, nics: dict[str, int]
) -> None:
    put(Knob.ARP_IGNORE, 5, "default")
    assert write(operation(nics["eth1"])) is Written.DONE
    ip("link set eth1 down")
    ip("link set eth1 name eth5")
    assert stands(Knob.ARP_IGNORE, "eth5") == 1
    ip("link delete eth5")
    ip("link add eth1 type veth peer name eth2")
    assert stands(Knob.ARP_IGNORE) == 5


def test_the_epoch_is_that_of_the_namespace(netns: None) -> None:  # noqa: ARG001 - the namespace is where it runs
    here = epoch()
    assert here == epoch()
    assert re.fullmatch(r"[0-9a-f-]{36} (cookie|inode) \d+", here)
    say = "from srcroutd.kernel.epoch import epoch; print(epoch())"
    words = [sys.executable, "-c", say]
    said = [
        subprocess.run(
            [*box, *words], cwd=HERE, env=environment(), capture_output=True, text=True, check=True
        ).stdout.strip()
        for box in ([], ["unshare", "--net"])
    ]
    assert said[0] == here
    assert said[1] != here
    assert said[1].split()[0] == here.split()[0]
