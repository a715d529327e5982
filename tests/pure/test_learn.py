"""Unknown is not empty: how readings meet what was known."""

from srcroutd.core.inventory import Inventory, Reading
from srcroutd.core.learn import forget, learn
from tests.pure.worlds import addressing, eni, mac

ENI1 = eni(1, addressing("192.0.2.5", subnet="192.0.2.0/24", gateway="192.0.2.253"))
ENI2 = eni(2, addressing("198.51.100.5", subnet="198.51.100.0/24", gateway="198.51.100.253"))
BOTH = learn(
    Inventory(), Reading("aliyun", (ENI1, ENI2), listed=frozenset({mac(1), mac(2)}), primary=mac(1))
)


def test_an_eni_missing_from_a_whole_list_is_kept_and_marked() -> None:
    after = learn(BOTH, Reading("aliyun", (ENI1,), listed=frozenset({mac(1)})))
    assert after.enis == BOTH.enis
    assert after.unlisted == {mac(2)}


def test_it_is_forgotten_only_when_the_kernel_has_lost_its_nic_too() -> None:
    after = learn(BOTH, Reading("aliyun", (ENI1,), listed=frozenset({mac(1)})))
    assert mac(2) in forget(after, [mac(1), mac(2)]).enis
    assert mac(2) not in forget(after, [mac(1)]).enis


def test_half_a_record_leaves_the_whole_one_of_before() -> None:
    after = learn(
        BOTH,
        Reading("aliyun", (ENI1,), {mac(2): "gateway is missing"}, frozenset({mac(1), mac(2)})),
    )
    assert after.enis[mac(2)] == ENI2
    assert after.pending == {mac(2): "gateway is missing"}


def test_a_part_of_an_answer_says_nothing_about_the_others() -> None:
    assert learn(BOTH, Reading("aliyun", (ENI1,))) == BOTH


def test_an_empty_list_takes_nothing_away() -> None:
    after = learn(BOTH, Reading("aliyun", (), listed=frozenset()))
    assert after.enis == BOTH.enis


def test_the_primary_stays_known_when_an_answer_does_not_name_it() -> None:
    assert learn(BOTH, Reading("aliyun", (ENI1,), primary=None)).primary == mac(1)


def test_an_eni_that_returns_is_no_longer_marked() -> None:
    gone = learn(BOTH, Reading("aliyun", (ENI1,), listed=frozenset({mac(1)})))
    back = learn(gone, Reading("aliyun", (ENI1, ENI2), listed=frozenset({mac(1), mac(2)})))
    assert back.unlisted == frozenset()


def test_a_list_that_a_person_wrote_is_final() -> None:
    after = learn(BOTH, Reading("static", (ENI1,), listed=frozenset({mac(1)}), final=True))
    assert list(after.enis) == [mac(1)]


def test_an_address_that_moved_to_another_eni_leaves_the_older_record() -> None:
    half = addressing("192.0.2.5", subnet="192.0.2.0/24", gateway="192.0.2.253")
    after = learn(BOTH, Reading("aliyun", (eni(3, half),)))
    assert after.enis[mac(1)].v4.addresses == ()  # type: ignore[union-attr]
    assert after.enis[mac(3)].v4 == half


def test_a_half_that_could_not_be_learnt_is_taken_from_what_was_known() -> None:
    half = addressing("2001:db8::5", subnet="2001:db8::/64", gateway="2001:db8::1")
    whole = learn(BOTH, Reading("aliyun", (eni(1, ENI1.v4, half),)))
    torn = Reading("aliyun", (ENI1,), {mac(1): "ipv6-gateway is not there yet"})
    assert learn(whole, torn).enis[mac(1)].v6 == half
    assert learn(whole, Reading("aliyun", (ENI1,))).enis[mac(1)].v6 is None
