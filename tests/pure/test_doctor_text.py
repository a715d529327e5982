"""What a person reads of the doctor's findings: aligned, at 80 columns, commands whole."""

from srcroutd.cli.verbs.doctor import render
from srcroutd.doctor.finding import Finding, Severity, Slug

LONG_COMMAND = "$ printf '" + "x" * 100 + "' > /etc/somewhere"
DOWN = Finding(
    Slug.NIC_DOWN, Severity.PROBLEM, "eth1", "eth1 is down", "nothing comes in", "bring it up"
)
NETWORKD = Finding(
    Slug.NETWORKD_FOREIGN,
    Severity.RISK,
    "",
    "a sentence of many words " * 6,
    "another",
    f"write this:\n{LONG_COMMAND}\n$ restart",
)
NOTE = Finding(Slug.NETWORKMANAGER, Severity.NOTE, "", "it runs", "so", "nothing")


def test_a_finding_is_a_head_and_three_aligned_paragraphs() -> None:
    assert list(render([DOWN], ())) == [
        "PROBLEM eth1  nic-down",
        "  what  eth1 is down",
        "  why   nothing comes in",
        "  next  bring it up",
        "",
        "1 problem.",
    ]


def test_sentences_are_wrapped_and_commands_stay_whole() -> None:
    lines = list(render([NETWORKD], ()))
    assert f"        {LONG_COMMAND}" in lines
    assert "  next  write this:" in lines
    assert max(len(line) for line in lines if "printf" not in line) < 80
    assert lines[2].startswith("        ")


def test_the_last_line_counts_and_says_whether_something_needs_doing() -> None:
    assert list(render([DOWN, NETWORKD, NOTE, NOTE], ()))[-1] == "1 problem, 1 risk, 2 notes."
    assert list(render([NOTE], ()))[-1] == "1 note; nothing needs doing."
    assert list(render([], ())) == ["Nothing found."]


def test_what_was_not_looked_at_is_said_before_the_count() -> None:
    lines = list(render([], ["the firewall: no nft"]))
    assert lines == ["Not looked at:", "  the firewall: no nft", "", "Nothing found."]


def test_problems_come_first_whatever_the_order_of_the_checks() -> None:
    assert sorted([NOTE, NETWORKD, DOWN], key=lambda one: one.order) == [DOWN, NETWORKD, NOTE]
