"""Section 1.1 of the contract: URL, routing and the status of a handshake (H rows)."""

import pytest

from harness.probe import new_run


@pytest.mark.parametrize("slash", ["", "/"], ids=["no slash", "trailing slash"])
def test_H01_the_stage_is_the_path_and_a_trailing_slash_is_optional(probe, slash):
    run = new_run()
    probe.open_url(f"{probe.target.urls['Sockets']}{slash}?run={run}")
    assert probe.records.connect_event(run)["requestContext"]["stage"] == "probe"


def test_H02_no_byte_of_the_answer_leaves_before_the_handler_returns(probe):
    run, go_on = new_run(), new_run()
    wire = probe.wire()
    url = probe.url(do=[{"wait_for": go_on}], run=run)
    wire.ask_for_upgrade(url[url.index("?") :])
    probe.records.connect_event(run)
    assert wire.nothing_to_read()
    probe.records.put(go_on)
    assert wire.answer().status == 101


@pytest.mark.parametrize("status", [200, 201, 204])
def test_H03_any_2xx_of_the_handler_opens_the_connection(probe, status):
    socket = probe.open(do=[{"return": {"statusCode": status}}])
    assert socket.client.response.status_code == 101
    socket.still_works()


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 501, 503])
def test_H04_a_status_outside_2xx_is_the_status_of_the_handshake(probe, status):
    assert probe.refused(do=[{"return": {"statusCode": status, "body": "no"}}]).status_code == status


def test_H05_a_handler_that_raises_is_502(probe):
    assert probe.refused(do=[{"raise": "broken"}]).status_code == 502
