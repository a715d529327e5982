"""Names from metadata, configuration and kernel in the exports: none can break out of its place."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srcroutd.core.desired import NicDesired
from srcroutd.core.view import NicView, View
from srcroutd.export.quoting import NotSayable, device, hardware, remark
from srcroutd.export.registry import NAMES, exporter
from tests.export.scene import scene
from tests.pure.views import second, view


def said(text: str) -> list[str]:
    """The lines that do something."""
    return [line for line in text.split("\n") if not line.lstrip().startswith("#")]


def renamed(whole: View, word: str) -> View:
    """The view with ``word`` wherever a name from outside stands that is not a NIC's."""

    def one(nic: NicView) -> NicView:
        if nic.eni is None:
            return nic
        desired = NicDesired(
            tuple(replace(want, because=word) for want in nic.desired.routes),
            tuple(replace(want, because=word) for want in nic.desired.rules),
            (word,),
        )
        return replace(nic, eni=replace(nic.eni, id=word), desired=desired, why=word)

    return replace(
        whole, nics=tuple(map(one, whole.nics)), facts=replace(whole.facts, provider=word)
    )


@pytest.mark.parametrize("form", NAMES)
@given(st.text(max_size=40))
def test_no_name_from_outside_can_end_the_comment_it_stands_in(form: str, word: str) -> None:
    clean, nasty = scene(), renamed(scene(), word)
    for temporary in (False, True):
        before = exporter(form)(clean, temporary=temporary)
        after = exporter(form)(nasty, temporary=temporary)
        assert [said(one.text) for one in after] == [said(one.text) for one in before]
        assert [one.name for one in after] == [one.name for one in before]


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize(
    "word",
    [
        "eni-1\nEND\nrm -rf /",
        "eni\r\n[Route]\nGateway=6.6.6.6",
        "eni\u2028- to: 0.0.0.0/0",
        "eni\x85Remove-Item C:\\",
        "eni'; touch x; '",
        "$(touch x)`touch x`",
        "tail\\",
        "\x1b[2J\x00",
        "#> evil",
    ],
)
def test_these_names_neither(form: str, word: str) -> None:
    test_no_name_from_outside_can_end_the_comment_it_stands_in.hypothesis.inner_test(form, word)


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize(
    "name",
    ["eth1;x", "$IFS", "a'b", 'a"b', "-eth1", "a`b`", "a#b", "a{b", "ä", "a\\b", "a\x85b", ""],
)
def test_a_nic_whose_name_means_something_is_refused_by_name(form: str, name: str) -> None:
    nic = second()
    bad = replace(nic, link=replace(nic.link, name=name))
    with pytest.raises(NotSayable, match="cannot be written into a script") as refused:
        exporter(form)(view(bad))
    assert refused.value.exit_code == 64
    assert repr(name) in str(refused.value)


@given(st.text())
def test_what_passes_as_a_name_is_one_word_to_a_shell(name: str) -> None:
    try:
        passed = device(name)
    except NotSayable:
        return
    assert re.fullmatch(r"[A-Za-z0-9_.:@+-]+", passed)
    assert not passed.startswith("-")


def test_names_of_real_nics_pass() -> None:
    for name in ("eth0", "enp1s0f1np1", "eth0.100", "ens5-vlan", "br_x", "eth0:1"):
        assert device(name) == name


def test_a_mac_is_a_mac() -> None:
    assert hardware("00:16:3e:00:00:01") == "00:16:3e:00:00:01"
    with pytest.raises(NotSayable, match="is no MAC"):
        hardware("00:16:3e:00:00:01'\n")


def test_a_remark_keeps_what_can_be_read() -> None:
    assert (
        remark("first address of eni-1, read from aliyun")
        == "first address of eni-1, read from aliyun"
    )
    assert remark("a\nb\\c\u2028dé") == "a?b?c?d?"
