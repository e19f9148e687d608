import pytest

from tracker.fanout.retry import RetryPolicy, Verdict, judge


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (410, Verdict.GONE),
        (400, Verdict.MALFORMED),
        (403, Verdict.FORBIDDEN),
        (408, Verdict.RETRY),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (502, Verdict.RETRY),
        (503, Verdict.RETRY),
        (504, Verdict.RETRY),
        (413, Verdict.REJECTED),
        (404, Verdict.REJECTED),
        (301, Verdict.REJECTED),
    ],
)
def test_what_a_status_means(status, verdict):
    assert judge(status) is verdict


def test_delays_double_up_to_the_cap_and_end():
    policy = RetryPolicy(max_attempts=7, base_s=0.05, cap_s=1.0)
    ceilings = [policy.delay_s(attempt, lambda _, high: high) for attempt in range(1, 8)]
    assert ceilings == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, None]


def test_jitter_is_full():
    asked = []

    def uniform(low, high):
        asked.append((low, high))
        return low

    assert RetryPolicy().delay_s(3, uniform) == 0.0
    assert asked == [(0.0, 0.2)]
