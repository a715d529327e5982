"""The connectivity matrix as text: two tables, and what became of each answer that failed."""

from collections.abc import Iterator, Sequence

from tests.packets.matrix import COLUMNS, RP_FILTERS, SETTINGS, Cell, Column, Matrix, Setting

_V4 = tuple(Setting(4, value) for value in RP_FILTERS)
_V6 = (Setting(6),)
_GAP = "  "
_WHO = {"eth0": "eth0's address", "eth1": "eth1's address"}


def tables(matrix: Matrix) -> str:
    """IPv4 with three marks a cell, then IPv6."""
    return "\n".join([*_table(matrix, "IPv4", _V4), "", *_table(matrix, "IPv6", _V6), ""])


def reasons(matrix: Matrix) -> str:
    """For each column that fails somewhere: what was seen, under what, with which layouts."""
    return "\n".join(line for column in COLUMNS for line in _reasons(matrix, column))


def _table(matrix: Matrix, title: str, settings: Sequence[Setting]) -> Iterator[str]:
    marks = len(settings)
    width = {column: max(3 * marks - 1, *map(len, column.head)) for column in COLUMNS}
    first = max(map(len, matrix.rows))
    heads = [[column.head[line].ljust(width[column]) for column in COLUMNS] for line in (0, 1)]
    yield _line(title.ljust(first), heads[0])
    yield _line(" " * first, heads[1])
    if marks > 1:
        under = " ".join(f"{setting.rp_filter:<2}" for setting in settings)
        yield _line("rp_filter".ljust(first), [under.ljust(width[column]) for column in COLUMNS])
    for row in matrix.rows:
        cells = [
            " ".join(_mark(matrix[row, setting][column]) for setting in settings)
            for column in COLUMNS
        ]
        padded = [cell.ljust(width[column]) for cell, column in zip(cells, COLUMNS, strict=True)]
        yield _line(row.ljust(first), padded)


def _line(first: str, cells: Sequence[str]) -> str:
    return _GAP.join([first, *cells]).rstrip()


def _mark(cell: Cell) -> str:
    return "ok" if cell.answered else "- "


def _reasons(matrix: Matrix, column: Column) -> Iterator[str]:
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for row in matrix.rows:
        by_setting = {
            setting: _seen(cell)
            for setting in SETTINGS
            if not (cell := matrix[row, setting][column]).answered
        }
        told = dict.fromkeys(by_setting.values())
        key = tuple(
            (seen, _under([setting for setting, what in by_setting.items() if what == seen]))
            for seen in told
        )
        if key:
            found.setdefault(key, []).append(row)
    if found:
        yield f"**{' '.join(column.head)}**\n"
    for key, rows in found.items():
        seen = "; ".join(f"{under}: {what}" for what, under in key)
        yield f"* {', '.join(rows)}. {seen}."
    if found:
        yield ""


def _under(settings: Sequence[Setting]) -> str:
    """``rp_filter 0 and 2, IPv6``."""
    values = [str(one.rp_filter) for one in settings if one.version == 4]
    words = [f"rp_filter {' and '.join(values)}"] if values else []
    return ", ".join([*words, *("IPv6" for one in settings if one.version == 6)])


def _seen(cell: Cell) -> str:
    if cell.astray:
        return ", ".join(
            f"from {_WHO.get(one.src, 'the ' + one.src)} to {_WHO.get(one.dst, 'the ' + one.dst)} "
            f"by {one.wire}"
            for one in cell.astray
        )
    if cell.dropped:
        return "dropped by the host's rp_filter"
    if cell.unresolved:
        return "nobody answers the host's question for the neighbour's MAC"
    return "nothing leaves the host"


_INTRODUCTION = """\
# Who reaches whom

Measured by `make connectivity`, which wrote this page. Each cell is a TCP request and its answer in
a cloud of network namespaces: a host with eth0 (the primary, with main's default route) and eth1, a
container behind a bridge with a published port, a client outside, a neighbour in eth1's subnet, and
a VPC router that drops what bears a source that is not the NIC's own, as clouds do. `ok` is an
answer that arrived. Three marks are rp_filter 0, 1 and 2 on every NIC of the host; IPv6 has none.

```
"""
_LEGEND = """\
```

Columns, who asks whom:

* **host by eth0, by eth1**: the client a service of the host, at eth0's and at eth1's address.
* **port by eth0, by eth1**: the client the container's published port, at either address.
* **container to eth1**: the container a service of the host, at eth1's address.
* **eth1 to container**: the host, bound to eth1's address, the container.
* **neighbour to eth1, to eth0**: another machine of eth1's subnet a service of the host, at either
  address.

The port is published as docker does it without its proxy: DNAT in prerouting and output for every
local address, masquerade for the bridge's subnet and for the container's way to itself, forwarding
on, both families.

Rows, what is put into the host:

* **none**: nothing beyond addresses and main.
* **seed 001's rule**: `ip route add default via GATEWAY dev eth1 table 1001` and
  `ip rule add from ADDRESS lookup 1001`.
* **seed 003's recipe**: mangle PREROUTING gives what comes in by eth1 the mark 1 and saves it on
  the connection, OUTPUT restores it; `ip rule add priority 1000 fwmark 1 lookup 100`; table 100
  with a default by eth1; `src_valid_mark=1` for eth1.
* **nm-cloud-setup**: its layout. For each address of both NICs, 30200+n to a table with its subnet
  and 30400+n to one with its default; between them, 30350, main without its default. The program
  itself writes IPv4 only; here IPv6 has the same.
* **srcroutd source**: the daemon with an empty configuration.
* **srcroutd connmark**: the daemon with `mode = "connmark"` and `sysctls = "auto"` for eth1.
* **connmark, eth0 too**: the same, and `manage = true` for eth0.

## What fails, and how

Each failed question was asked again, alone, while the wires, the host's count of packets that
rp_filter dropped and its neighbours were watched.

"""
_WHY = """\
## Why

* **host by eth1.** Without a rule the reply is routed by its destination alone: by main's default,
  out of eth0, with eth1's address.
* **port by eth1.** The reply bears the container's address when it is routed; eth1's is put back
  later. So a rule that asks for eth1's address does not match it. Seed 003's mark is on the packet
  when it comes in, too, so that its way to the container is looked up in eth1's table. Mode
  `connmark` gives the mark back to replies, in prerouting, where the container's come in, and asks
  main without its default first. Strict rp_filter asks for the request's way back by the
  container's address: only the mark leads out of eth1, and it counts only with src_valid_mark.
  Without `sysctls = "auto"` that cell fails under 1, and `srcroutctl doctor` says so.
* **container to eth1, eth1 to container.** Seed 001's table has a default route and nothing else:
  what bears eth1's address is sent out of eth1 though the bridge is on this host.
* **neighbour to eth0.** Eth0 is the primary NIC and is left alone unless asked: its reply finds
  eth1's subnet connected in main and leaves by eth1. nm-cloud-setup has rules for eth0, and asks
  main without its default before eth0's default. As long as the host knows the neighbour's MAC from
  no other conversation it asks for it by eth1 in eth0's name, and the router does not answer that.
"""


def page(matrix: Matrix) -> str:
    """docs/connectivity.md."""
    return "".join([_INTRODUCTION, tables(matrix), _LEGEND, reasons(matrix), "\n", _WHY])
