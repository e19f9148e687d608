import pytest

from simulator.workers.sealed import BadMessage, Seal, Side


def ends(token="secret", other="secret"):
    return Seal(token, "node", "master"), Seal(other, "node", "worker")


def test_what_one_end_says_the_other_reads_in_order():
    master, worker = ends()
    for number in range(3):
        assert worker.open(master.seal({"do": number}, b"beside")) == ({"do": number}, b"beside")
        assert master.open(worker.seal(["said", number])) == (["said", number], b"")


def test_a_message_of_another_token_is_not_believed():
    master, worker = ends(other="guessed")
    with pytest.raises(BadMessage, match="not signed"):
        master.open(worker.seal({"say": "hello"}))


@pytest.mark.parametrize("position", [0, 31, 32, 39, 40, -1])
def test_a_changed_byte_is_noticed(position):
    master, worker = ends()
    message = bytearray(master.seal({"do": "open"}))
    message[position] ^= 1
    with pytest.raises(BadMessage, match="not signed"):
        worker.open(bytes(message))


@pytest.mark.parametrize("length", [0, 5, 32, 39, 40])
def test_a_message_that_was_cut_is_not_believed(length):
    master, worker = ends()
    with pytest.raises(BadMessage):
        worker.open(master.seal({"do": "open"})[:length])


def test_a_message_said_twice_or_out_of_turn_is_noticed():
    master, worker = ends()
    first, second = master.seal(1), master.seal(2)
    assert worker.open(first) == (1, b"")
    with pytest.raises(BadMessage, match="message 0, and message 1 has not come"):
        worker.open(first)
    master.seal(3)
    worker.open(second)
    with pytest.raises(BadMessage, match="message 3, and message 2 has not come"):
        worker.open(master.seal(4))


def test_a_message_does_not_go_back_to_its_sender_nor_to_another_worker_nor_into_another_run():
    others: list[tuple[str, Side, str]] = [("node", "master", ""), ("other", "worker", ""), ("node", "worker", "run")]
    for node, side, run in others:
        seal = Seal("secret", node, side)
        seal.run = run
        with pytest.raises(BadMessage, match="not signed"):
            seal.open(Seal("secret", "node", "master").seal({"do": "open"}))
