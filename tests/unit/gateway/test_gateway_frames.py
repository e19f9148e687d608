"""The gateway's own frames, byte for byte (M05, M07, M08)."""

import json

import pytest

from simulator.gateway import frames

CONNECTION, REQUEST = "Uz7QaeXyoAMCJ5g=", "Uz7RBGmNoAMFqPA="


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param(
            frames.FORBIDDEN,
            '{"message": "Forbidden", "connectionId":"Uz7QaeXyoAMCJ5g=", "requestId":"Uz7RBGmNoAMFqPA="}',
            id="M05",
        ),
        pytest.param(
            frames.INTERNAL_SERVER_ERROR,
            '{"message": "Internal server error", "connectionId":"Uz7QaeXyoAMCJ5g=", "requestId":"Uz7RBGmNoAMFqPA="}',
            id="M07",
        ),
        pytest.param(
            frames.ENDPOINT_TIMEOUT,
            '{"message": "Endpoint request timed out", '
            '"connectionId":"Uz7QaeXyoAMCJ5g=", "requestId":"Uz7RBGmNoAMFqPA="}',
            id="M08",
        ),
    ],
)
def test_an_error_frame_has_the_odd_spacing_of_the_captures(message, text):
    frame = frames.error_frame(message, CONNECTION, REQUEST)
    assert frame == text
    assert json.loads(frame) == {"message": message, "connectionId": CONNECTION, "requestId": REQUEST}
