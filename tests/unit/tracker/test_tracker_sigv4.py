import datetime as dt

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.aws import Credentials as OurCredentials
from tracker.fanout.endpoint import CallbackEndpoint
from tracker.fanout.plan import Message
from tracker.fanout.requests import PostRequests
from tracker.fanout.sigv4 import canonical_path

KEYS = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", min_size=16, max_size=40)
# botocore takes dot segments out of a path before it signs; no connection id is one.
CONNECTION_IDS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda text: text not in (".", "..")
)
TIMES = st.datetimes(min_value=dt.datetime(2020, 1, 1), max_value=dt.datetime(2040, 1, 1))  # noqa: DTZ001


def headers_of(request):
    head = request.split(b"\r\n\r\n", 1)[0].decode("ascii")
    _, *lines = head.split("\r\n")
    return dict(line.split(": ", 1) for line in lines)


def signed_by_botocore(endpoint, credentials, region, connection_id, body, amz_date):
    request = AWSRequest(
        "POST", f"{endpoint.url}/{endpoint.connection_path(connection_id).split('/', 2)[2]}", data=body
    )
    request.context["timestamp"] = amz_date
    request.headers["X-Amz-Date"] = amz_date
    if credentials.token:
        request.headers["X-Amz-Security-Token"] = credentials.token
    signer = SigV4Auth(
        Credentials(credentials.access_key, credentials.secret_key, credentials.token), "execute-api", region
    )
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    return f"Signature={signature}", canonical


@settings(deadline=None)
@given(
    connection_ids=st.lists(CONNECTION_IDS, min_size=1, max_size=3),
    body=st.binary(max_size=200),
    access_key=KEYS,
    secret_key=KEYS,
    token=st.none() | KEYS,
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
    moments=st.lists(TIMES, min_size=1, max_size=3),
    port=st.sampled_from([443, 3001]),
)
def test_every_post_is_signed_as_botocore_signs_it(
    connection_ids, body, access_key, secret_key, token, region, moments, port
):
    """Several posts with one signer, over days, so that the kept key is shown to change when it must."""
    endpoint = CallbackEndpoint(tls=True, host="k3v.execute-api.us-east-1.amazonaws.com", port=port, base_path="/dev")
    credentials = OurCredentials(access_key, secret_key, token)
    requests = PostRequests(endpoint, credentials, region)
    for moment in moments:
        for connection_id in connection_ids:
            epoch_s = moment.replace(tzinfo=dt.UTC).timestamp()
            headers = headers_of(requests.encode(connection_id, Message("", body), epoch_s))
            expected, canonical = signed_by_botocore(
                endpoint, credentials, region, connection_id, body, headers["X-Amz-Date"]
            )
            assert headers["Authorization"].endswith(expected), canonical


def test_the_signed_path_is_encoded_twice():
    """(C03)"""
    assert canonical_path("/stage/%40connections/L0SM9cOFvHcCIhw%3D") == "/stage/%2540connections/L0SM9cOFvHcCIhw%253D"
    assert canonical_path("/stage/@connections/L0SM9cOFvHcCIhw%3D") == "/stage/%40connections/L0SM9cOFvHcCIhw%253D"


def test_a_post_on_the_wire():
    endpoint = CallbackEndpoint.from_websocket_url("ws://127.0.0.1:3001/primary")
    request = PostRequests(endpoint, OurCredentials("AK", "SK", "TOKEN"), "us-east-1").encode(
        "Uz7QaeXyoAMCJ5g=", Message("17", b'{"a":"\xc3\xa9"}'), 1_710_277_500.9
    )
    head, _, body = request.partition(b"\r\n\r\n")
    assert body == b'{"a":"\xc3\xa9"}'
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /primary/@connections/Uz7QaeXyoAMCJ5g%3D HTTP/1.1"
    authorization = lines.pop(5)
    assert lines[1:] == [
        "Host: 127.0.0.1:3001",
        "User-Agent: vendor-tracker",
        "X-Amz-Security-Token: TOKEN",
        "X-Amz-Date: 20240312T210500Z",
        "Content-Length: 10",
    ]
    assert authorization.startswith(
        "Authorization: AWS4-HMAC-SHA256 Credential=AK/20240312/us-east-1/execute-api/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="
    )


def test_renewed_credentials_sign_from_the_next_post_on():
    endpoint = CallbackEndpoint(tls=False, host="127.0.0.1", port=3001, base_path="/primary")
    message, at_s = Message("", b"{}"), 1_710_277_500
    renewed = OurCredentials("AK2", "SK2", "TOKEN2")
    requests = PostRequests(endpoint, OurCredentials("AK", "SK", "TOKEN"), "us-east-1")
    before = requests.encode("Uz7QaeXyoAMCJ5g=", message, at_s)
    requests.renew(renewed)
    after = requests.encode("Uz7QaeXyoAMCJ5g=", message, at_s)
    assert b"X-Amz-Security-Token: TOKEN\r\n" in before
    assert after == PostRequests(endpoint, renewed, "us-east-1").encode("Uz7QaeXyoAMCJ5g=", message, at_s)
