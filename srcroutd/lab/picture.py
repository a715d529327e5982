"""The lab as a picture, 80 columns wide: client, VPC router with its ports, the instance with its
NICs.
"""

from collections.abc import Sequence

from srcroutd.lab.topology import CLIENT_V4, METADATA_V4, Eni

_MOST = 4
_WIDE, _NARROW = 22, 18


def picture(enis: Sequence[tuple[str, Eni]]) -> list[str]:
    """The lines of the picture, for NICs of the instance as (name, ENI); more than four are only
    counted.
    """
    shown = list(enis[:_MOST])
    cell = _NARROW if len(shown) == _MOST else _WIDE
    width = cell * max(len(shown), 3) + 3
    inner = width - 2
    lines = [f"      client {CLIENT_V4}", "        │"]
    lines += [f"┌───────┴{'─' * (inner - 8)}┐"]
    lines += [_row(f"  VPC router{f'metadata {METADATA_V4}':>{inner - 14}}", inner)]
    lines += [_row("  source check: what leaves an ENI must bear its own address", inner)]
    lines += [_row("".join(f"  {nic.vswitch.gateway4!s:<{cell - 2}}" for _, nic in shown), inner)]
    lines += [_edge("└┬┘", len(shown), cell, inner)]
    lines += [" " + "".join(f"     │{'':<{cell - 6}}" for _ in shown).rstrip()]
    lines += [_edge("┌┴┐", len(shown), cell, inner)]
    lines += [_row("".join(f"  {name:<{cell - 2}}" for name, _ in shown), inner)]
    rows = max((len(nic.v4) for _, nic in shown), default=0)
    for number in range(rows):
        addresses = [str(nic.v4[number]) if number < len(nic.v4) else "" for _, nic in shown]
        lines.append(_row("".join(f"  {address:<{cell - 2}}" for address in addresses), inner))
    more = f"  and {len(enis) - _MOST} more NICs" if len(enis) > _MOST else ""
    lines += [_row(f"  instance{more}", inner), f"└{'─' * inner}┘"]
    return lines


def _row(text: str, inner: int) -> str:
    return f"│{text:<{inner}}│"


def _edge(corners: str, joints: int, cell: int, inner: int) -> str:
    """An edge of a box, with a joint above each NIC; ``corners`` is left, joint, right."""
    left, joint, right = tuple(corners)
    cells = "".join(f"─────{joint}{'─' * (cell - 6)}" for _ in range(joints))
    return f"{left}{cells:─<{inner}}{right}"
