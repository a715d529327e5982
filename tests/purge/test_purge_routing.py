"""What purging the package does to the kernel, by which program is gone already: exactly the rules
and routes that srcroutd marked as its own are deleted, whatever numbers it was configured with.
"""

import subprocess
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from srcroutd.core.marking import MarkedNic, Marking
from srcroutd.core.marking_nft import script
from srcroutd.core.marking_snat import Snat
from srcroutd.core.numbering import Domain
from srcroutd.daemon.store import Numbers, Store

SCRIPT = Path(__file__).parents[2] / "packaging/scripts/postremove.sh"
DEFAULT = Domain(83, range(18000, 19000), range(18000, 19000))
OTHER = Domain(99, range(20000, 20100), range(30000, 30100), range(15000, 15100))

OURS = """
rule add from 192.0.2.5 lookup {table} suppress_prefixlength 0 priority {low} protocol {mark}
rule add from 192.0.2.5 lookup {table} priority {high} protocol {mark}
rule add from 192.0.2.6 lookup {table} priority {high} protocol {mark}
rule add from all goto {high} priority {first} protocol {mark}
rule add oif lo lookup {table} priority {final} protocol {mark}
rule add uidrange 33-33 prohibit priority {policy} protocol {mark}
-6 rule add from 2001:db8::5 lookup {table} priority {high} protocol {mark}
route add 198.51.100.0/24 dev lo table {table} proto {mark}
route add unreachable default metric 4278198272 table {table} proto {mark}
route add 198.51.100.0/24 dev lo table {last} proto {mark}
-6 route add 2001:db8:1::/64 dev lo table {table} proto {mark}
-6 route add unreachable default metric 4278198272 table {table} proto {mark}
"""
STRANGERS = """
rule add from 192.0.2.7 lookup 18000 priority 18061
rule add from 192.0.2.8 lookup 18000 priority 18601 protocol 84
rule add from 192.0.2.5 lookup 100 priority 16999 protocol 83
rule add from 192.0.2.5 lookup 100 priority 19000 protocol 83
route add 203.0.113.0/24 dev lo table 18000
route add 203.0.113.128/25 dev lo table 18000 proto 84
route add 203.0.113.0/24 dev lo table 17999 proto 83
-6 route add 2001:db8:2::/64 dev lo table 18000 proto 84
"""
SHOW = "for f in -4 -6; do ip -N $f rule show; ip -N $f route show table all; done"


def test_the_purge_deletes_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    Store(tmp_path).save_numbers(Numbers(DEFAULT))
    assert len(_left_alone(STRANGERS + _ours())) == len(_left_alone(STRANGERS)) + 12
    assert _after_purge(tmp_path, STRANGERS + _ours()) == _left_alone(STRANGERS)


def test_it_deletes_by_the_numbers_that_srcroutd_remembers(tmp_path: Path) -> None:
    Store(tmp_path).save_numbers(Numbers(OTHER))
    assert _after_purge(tmp_path, _ours() + _ours(OTHER)) == _left_alone(_ours())


def test_it_deletes_what_an_earlier_configuration_left(tmp_path: Path) -> None:
    Store(tmp_path).save_numbers(Numbers(OTHER, (DEFAULT,)))
    assert _after_purge(tmp_path, STRANGERS + _ours() + _ours(OTHER)) == _left_alone(STRANGERS)


@pytest.mark.parametrize("content", ["", "{", '{"domain": {"protocol": "$(touch x)"}}', None])
def test_without_a_state_file_that_can_be_used_the_defaults_hold(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "numbers.json").write_text(content)
    assert _after_purge(tmp_path, STRANGERS + _ours()) == _left_alone(STRANGERS)


MAIN = """
route add default via 192.0.2.99 dev eth1 src 127.0.0.1 metric {0} proto 83 onlink
-6 route add default via fe80::9 dev eth1 metric {0} proto 83
"""
CABLE = """
link add eth1 type veth peer name eth2
link set eth1 addrgenmode none
link set eth1 up
"""


def test_it_deletes_the_defaults_in_main_that_srcroutd_had_asked_for(tmp_path: Path) -> None:
    metrics = (range(300, 301), *DEFAULT.auto_metrics)
    ours = "".join(MAIN.format(metric) for metric in (300, 18001, 4000000001))
    strangers = CABLE + MAIN.format(299) + MAIN.format(19000) + MAIN.format(301).replace("83", "84")
    strangers += "route add unreachable default metric 18500 proto 83\n"
    Store(tmp_path).save_numbers(Numbers(replace(DEFAULT, main_metrics=metrics)))
    assert len(_left_alone(strangers + ours)) == len(_left_alone(strangers)) + 6
    assert _after_purge(tmp_path, strangers + ours) == _left_alone(strangers)
    Store(tmp_path).save_numbers(Numbers(DEFAULT))
    assert _after_purge(tmp_path, strangers + ours) == _left_alone(strangers + ours)


def test_it_deletes_our_table_of_nftables_and_no_other_of_that_name(tmp_path: Path) -> None:
    snats = (Snat(255, "eth1", ip_address("192.0.2.5")),)
    theirs = "add table inet srcroutd\nadd chain inet srcroutd prerouting\n"
    for ours in (Marking((MarkedNic("eth1", 1),)), Marking((), snats=snats)):
        assert _tables_after_purge(tmp_path, script(ours)) == []
    assert _tables_after_purge(tmp_path, theirs) == ["table inet srcroutd"]


def _tables_after_purge(state: Path, rules: str) -> list[str]:
    return _in_a_namespace(
        f"set -e\nnft -f - <<'END'\n{rules}END\n. {SCRIPT}\n"
        f'state="{state}"\ndelete_routing\nnft list tables'
    )


def _ours(domain: Domain = DEFAULT) -> str:
    """Rules and routes of srcroutd, from the first to the last number of its domain."""
    return OURS.format(
        mark=domain.protocol,
        first=domain.priorities[0],
        low=domain.priorities[1],
        high=domain.priorities[61],
        final=domain.priorities[-1],
        policy=domain.policies[0],
        table=domain.tables[0],
        last=domain.tables[-1],
    )


def _after_purge(state: Path, lines: str) -> list[str]:
    """What the kernel holds when these rules and routes were there and the purge has run."""
    return _in_a_namespace(f'{_typed(lines)}\n. {SCRIPT}\nstate="{state}"\ndelete_routing\n{SHOW}')


def _left_alone(lines: str) -> list[str]:
    """What the kernel holds when these rules and routes are there."""
    return _in_a_namespace(f"{_typed(lines)}\n{SHOW}")


def _typed(lines: str) -> str:
    added = "\n".join(f"ip {line}" for line in lines.splitlines() if line)
    return f"set -e\nip link set lo up\n{added}"


def _in_a_namespace(script: str) -> list[str]:
    ran = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return sorted(ran.stdout.splitlines())
