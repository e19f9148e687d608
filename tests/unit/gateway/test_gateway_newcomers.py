"""A bounded crowd of those who have not said a whole request."""

from simulator.gateway.newcomers import Newcomers


def test_past_the_limit_the_longest_waiting_is_let_go():
    newcomers, gone = Newcomers(2), []
    for name in "abc":
        newcomers.add(name, lambda name=name: gone.append(name))
    assert (gone, len(newcomers)) == (["a"], 2)


def test_who_has_said_a_request_is_not_let_go():
    newcomers, gone = Newcomers(2), []
    for name in "abcd":
        newcomers.add(name, lambda name=name: gone.append(name))
        newcomers.discard(name)
        newcomers.discard(name)
    assert (gone, len(newcomers)) == ([], 0)


def test_who_comes_a_step_further_keeps_the_place_and_is_let_go_another_way():
    newcomers, gone = Newcomers(1), []
    newcomers.add("a", lambda: gone.append("before"))
    newcomers.add("a", lambda: gone.append("after"))
    assert gone == []
    newcomers.add("b", lambda: gone.append("b"))
    assert gone == ["after"]


def test_letting_somebody_go_may_discard_them():
    newcomers = Newcomers(1)
    newcomers.add("a", lambda: newcomers.discard("a"))
    newcomers.add("b", lambda: None)
    assert len(newcomers) == 1
