"""Messages that do not fit their route's model (M09)."""

import pytest

from simulator.gateway.actions import InvokeRoute, Send
from simulator.gateway.moment import Moment

NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "number"}}}
TEXT = {"type": "object", "required": ["t"], "properties": {"t": {"type": "string"}}}
NOW = Moment(2_000, 2.0)


def outcome(core, connection_id, text):
    (action,) = core.message(connection_id, text, NOW)
    return action


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        pytest.param('{"action":"add","n":1}', True, id="fits"),
        pytest.param('{"action":"add","n":"1"}', False, id="wrong type"),
        pytest.param('{"action":"add"}', False, id="missing"),
    ],
)
def test_M09_a_message_must_fit_the_model(make_core, open_connection, text, passes):
    core = make_core({"add": {"request_models": {"$default": NUMBER}}})
    assert isinstance(outcome(core, open_connection(core), text), InvokeRoute if passes else Send)


def test_M09_the_frame_names_connection_and_message_and_the_backend_is_not_called(make_core, open_connection):
    core = make_core({"add": {"request_models": {"$default": NUMBER}}})
    connection_id = open_connection(core)
    sent = outcome(core, connection_id, '{"action":"add"}')
    assert isinstance(sent, Send)
    start = f'{{"message": "Bad request body", "connectionId":"{connection_id}", "messageId":"'.encode()
    assert sent.payload.startswith(start)
    message_id = sent.payload.removeprefix(start).removesuffix(b'"}').decode()
    assert message_id[8:] == connection_id[8:]


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('{"action":"add","kind":"num","n":1}', True),
        ('{"action":"add","kind":"num","t":"x"}', False),
        ('{"action":"add","kind":"txt","t":"x"}', True),
        pytest.param('{"action":"add","kind":"other"}', True, id="no model is chosen, so nothing is checked"),
    ],
)
def test_M09_the_selection_expression_picks_the_model(make_core, open_connection, text, passes):
    models = {"request_models": {"num": NUMBER, "txt": TEXT}, "model_selection_expression": "$request.body.kind"}
    core = make_core({"add": models})
    assert isinstance(outcome(core, open_connection(core), text), InvokeRoute if passes else Send)


def test_M09_default_stands_for_what_the_expression_does_not_pick(make_core, open_connection):
    models = {"request_models": {"num": NUMBER, "$default": TEXT}, "model_selection_expression": "$request.body.kind"}
    core = make_core({"add": models})
    connection_id = open_connection(core)
    assert isinstance(outcome(core, connection_id, '{"action":"add","kind":"other","t":"x"}'), InvokeRoute)
    assert isinstance(outcome(core, connection_id, '{"action":"add","n":1}'), Send)


def test_M09_text_that_is_not_json_does_not_fit(make_core, open_connection):
    core = make_core({"$default": {"request_models": {"$default": NUMBER}}})
    assert isinstance(outcome(core, open_connection(core), "hello"), Send)


def test_routes_without_models_are_not_checked(make_core, open_connection):
    core = make_core({"add": {"request_models": {"$default": NUMBER}}, "$default": {}})
    assert isinstance(outcome(core, open_connection(core), "hello"), InvokeRoute)
