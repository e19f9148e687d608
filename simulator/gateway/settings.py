"""What of the gateway can be set: quotas, timers, and each behaviour that nobody has seen on AWS (I rows).

The defaults are the contract's. `low` and `high` are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.setting import setting


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Limits, timers and the answers that are guesses."""

    # -- limits and timers -----------------------------------------------------------------------------------------
    idle_timeout_s: float = setting(600.0, "seconds without data in either direction until 1001", row="L04", low=0.01)
    max_age_s: float = setting(7200.0, "seconds until a connection is closed whatever it does", row="L08", low=0.01)
    max_age_close_code: int = setting(1001, "close code at the maximum age", row="L08", low=1000, high=4999)
    ping_resets_idle_timer: bool = setting(False, "a client's ping counts as data", row="L06")
    clock_speed: float = setting(
        1.0, "how many times faster the idle and age timers run; 0: only `tracker-sim clock` moves them", high=1e6
    )
    connects_per_s: float = setting(500.0, "new connections per second", row="L09")
    connects_burst: int = setting(500, "new connections that may come at once", row="L09")
    account_rate_per_s: float = setting(10_000.0, "requests, messages and callbacks per second", row="L10")
    account_burst: int = setting(5_000, "requests, messages and callbacks that may come at once", row="L10")
    backlog_bytes: int = setting(
        524_288, "bytes a client may leave unread before callbacks to it get 429", row="C14", low=1
    )
    request_timeout_s: float = setting(
        30.0, "seconds that a client may take to say a whole request, TLS handshake included", low=0.001
    )
    newcomers: int = setting(
        4_096, "connections that may not have said a whole request yet; past it the longest waiting is closed", low=1
    )
    deflate_from_bytes: int = setting(
        1_024, "bytes from which a message is compressed for a client that agreed to it", row="H15"
    )
    # -- switches --------------------------------------------------------------------------------------------------
    tls: bool = setting(
        False, "addresses are wss:// and https://, under a throwaway authority; plain is served beside it", row="H01"
    )
    verify_signatures: bool = setting(False, "callbacks must carry a good SigV4 signature, else 403", row="C03")
    permessage_deflate: bool = setting(True, "compression is agreed on with clients that offer it", row="H15")
    allowed_hosts: str = setting(
        "", "host names, comma-separated, that requests may use besides addresses and local names", row="C11"
    )
    # -- guesses: nobody has seen these on AWS ---------------------------------------------------------------------
    connect_timeout_status: int = setting(
        504, "status of a handshake whose $connect is too slow", row="H07", low=400, high=599
    )
    accept_without_connect_route: bool = setting(True, "without a $connect route everybody may connect", row="H08")
    unknown_stage_status: int = setting(403, "status of a handshake on an unknown stage", row="H12", low=400, high=599)
    refusal_body: str = setting(
        "message", "body of a refused handshake", row="H16", choices=("message", "handler", "empty")
    )
    repeated_query_value: str = setting(
        "last", "which value of a repeated query key the single map keeps", row="E07", choices=("last", "first")
    )
    reserved_keys_selectable: bool = setting(False, "a message may pick $connect or $disconnect by name", row="M06")
    empty_text_body: str = setting(
        "empty", "`body` of the event for an empty text frame", row="M15", choices=("empty", "absent")
    )
    disconnect_after_refusal: bool = setting(False, "a refused handshake is followed by $disconnect", row="M20")
    throttled_message: str = setting("Too Many Requests", "`message` of the frame for a throttled message", row="L11")
    reset_close_code: int = setting(
        1006, "disconnectStatusCode after a reset or a vanished peer", row="L13", low=1000, high=4999
    )
    callbacks_move_last_active: bool = setting(True, "a POST moves lastActiveAt", row="C07")
    unsigned_message: str = setting(
        "Missing Authentication Token", "message of the 403 for an unsigned callback", row="C11"
    )
    callback_frame: str = setting("text", "kind of frame that a POST becomes", row="C18", choices=("text", "binary"))
    empty_callback_status: int = setting(400, "status of a POST without a body", row="C19", low=200, high=599)
    preflight_status: int = setting(
        204, "status of a CORS preflight that an HTTP API answers by itself", row="P12", low=200, high=299
    )
    http_throttled_message: str = setting(
        "Too Many Requests", "`message` of an HTTP API's 429 for a throttled request", row="P17"
    )
