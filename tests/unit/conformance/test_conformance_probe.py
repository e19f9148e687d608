"""The probe application of the conformance suite is whole: what the suite asks for by name is there."""

from pathlib import Path

from simulator.stack import load_stack

PROBE = Path(__file__).parents[2] / "conformance" / "probe" / "template.yaml"


def test_every_address_of_the_probe_is_an_output():
    stack = load_stack(PROBE, parameters={}, region="us-east-1")
    addressed = (*stack.websocket_apis, *stack.http_apis, *stack.queues)
    assert {f"{each.logical_id}Url" for each in addressed} | {"RecordsTable", "RowsTable"} == set(stack.outputs)
