"""Who is told to come again later: token buckets, as API Gateway keeps them (H14, L09–L11, C14, P17).

One bucket for new connections and one for everything else (handshakes, messages, callbacks, HTTP requests) are the
account's, shared by all APIs (L09, L10). A stage or a route may lay down less: then each route has a bucket of its
own, and a request needs a token from every bucket that it comes by.

Source: API Gateway Developer Guide, "Throttle requests to your API": token bucket, rate and burst.
"""

from __future__ import annotations

from collections.abc import Mapping

from simulator.gateway.settings import GatewaySettings
from simulator.stack.model import Throttle


class TokenBucket:
    """Holds `burst` tokens at most and gains `rate_per_s` a second; starts full."""

    __slots__ = ("_burst", "_rate_per_s", "_seen_s", "_tokens")

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._seen_s: float | None = None

    def has_token(self, now_s: float) -> bool:
        """Whether one can be taken at `now_s` (monotonic)."""
        if self._seen_s is not None:
            self._tokens = min(self._burst, self._tokens + (now_s - self._seen_s) * self._rate_per_s)
        self._seen_s = now_s
        return self._tokens >= 1

    def take(self) -> None:
        """Take one; only after `has_token`."""
        self._tokens -= 1


class AccountThrottle:
    """What one account may do in one region, over all its APIs."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.requests = TokenBucket(settings.account_rate_per_s, settings.account_burst)
        self.connects = TokenBucket(settings.connects_per_s, settings.connects_burst)
        self._settings = settings

    def admits(self, now_s: float) -> bool:
        """Whether a request that belongs to no route may pass now; takes the token when it may."""
        if not self.requests.has_token(now_s):
            return False
        self.requests.take()
        return True

    def bucket_of(self, stage: Throttle | None, route: Throttle | None) -> TokenBucket | None:
        """The bucket of one route; None when neither it nor its stage asks for one."""
        if stage is None and route is None:
            return None
        rates = [each.rate_per_s for each in (route, stage) if each is not None and each.rate_per_s is not None]
        bursts = [each.burst for each in (route, stage) if each is not None and each.burst is not None]
        if not rates and not bursts:
            return None
        return TokenBucket(
            rates[0] if rates else self._settings.account_rate_per_s,
            bursts[0] if bursts else self._settings.account_burst,
        )


class RouteThrottles:
    """The buckets of one API's routes, beside the account's."""

    def __init__(self, account: AccountThrottle, stage: Throttle | None, routes: Mapping[str, Throttle | None]) -> None:
        self._account = account
        self._buckets: dict[str | None, TokenBucket | None] = {
            key: account.bucket_of(stage, own) for key, own in routes.items()
        }
        self._without_route = account.bucket_of(stage, None)

    def admits_connection(self, key: str, now_s: float) -> bool:
        """Whether a new connection may come now (H14, L09); takes the tokens when it may."""
        return self._admits(key, now_s, self._account.connects)

    def admits(self, key: str | None, now_s: float) -> bool:
        """Whether a message or request may pass now; takes the tokens when it may. `key` None: no route fits."""
        return self._admits(key, now_s)

    def _admits(self, key: str | None, now_s: float, *more: TokenBucket) -> bool:
        # An API without a route of that name is throttled as well: by what its stage says of routes in general.
        own = self._buckets.get(key, self._without_route)
        needed = (self._account.requests, *more) if own is None else (self._account.requests, *more, own)
        if not all(bucket.has_token(now_s) for bucket in needed):
            return False
        for bucket in needed:
            bucket.take()
        return True
