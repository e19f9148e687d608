import pytest

from tracker import aws, token_secrets
from tracker.errors import ConfigurationError
from tracker.settings import Settings, read_settings
from tracker.token_secrets import KEPT_S, parse_secrets

NEW, OLD = "n" * 32, "o" * 43


class ParameterStore:
    """Values by name, and what was asked for."""

    def __init__(self):
        self.values, self.asked = {}, []

    def get(self, name):
        self.asked.append(name)
        return self.values[name]


@pytest.fixture
def store(monkeypatch):
    store = ParameterStore()
    monkeypatch.setattr(aws, "ssm_get_secret", store.get)
    token_secrets.forget_secrets()
    yield store
    token_secrets.forget_secrets()


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now_s = 1_000.0

    monkeypatch.setattr(token_secrets.time, "monotonic", lambda: Clock.now_s)
    return Clock


def settings(**variables):
    return read_settings({"AWS_REGION": "r", **variables})


IN_STORE = {"VENDOR_TOKEN_SECRETS_PARAMETER": "/v/secrets"}


def test_the_environment_is_enough(store):
    assert token_secrets.token_secrets(settings(VENDOR_TOKEN_SECRETS=f"{NEW} {OLD}")) == (NEW.encode(), OLD.encode())
    assert token_secrets.token_secrets(settings(VENDOR_TOKEN_SECRETS=NEW, **IN_STORE)) == (NEW.encode(),)
    assert store.asked == []


def test_a_parameter_is_read_once_and_again_when_it_has_been_kept_long_enough(store, clock):
    store.values["/v/secrets"] = OLD
    assert token_secrets.token_secrets(settings(**IN_STORE)) == (OLD.encode(),)
    store.values["/v/secrets"] = f"{NEW}\n{OLD}\n"
    clock.now_s += KEPT_S - 0.001
    assert token_secrets.token_secrets(settings(**IN_STORE)) == (OLD.encode(),)
    clock.now_s += 0.001
    assert token_secrets.token_secrets(settings(**IN_STORE)) == (NEW.encode(), OLD.encode())
    assert store.asked == ["/v/secrets"] * 2


def test_another_parameter_is_another_value(store, clock):
    store.values |= {"/a": OLD, "/b": NEW}
    for name, secret in [("/a", OLD), ("/b", NEW)]:
        assert token_secrets.token_secrets(settings(VENDOR_TOKEN_SECRETS_PARAMETER=name)) == (secret.encode(),)


def test_a_value_that_cannot_be_renewed_is_not_believed_any_longer(store, clock):
    store.values["/v/secrets"] = NEW
    token_secrets.token_secrets(settings(**IN_STORE))
    clock.now_s += KEPT_S
    del store.values["/v/secrets"]
    for _ in range(2):
        with pytest.raises(KeyError):
            token_secrets.token_secrets(settings(**IN_STORE))


def test_a_wrong_value_is_not_kept(store, clock):
    store.values["/v/secrets"] = "short"
    with pytest.raises(ConfigurationError, match="the parameter /v/secrets has fewer than 32"):
        token_secrets.token_secrets(settings(**IN_STORE))
    store.values["/v/secrets"] = NEW
    assert token_secrets.token_secrets(settings(**IN_STORE)) == (NEW.encode(),)


def test_without_either_the_variable_is_named():
    with pytest.raises(ConfigurationError, match="VENDOR_TOKEN_SECRETS_PARAMETER"):
        token_secrets.token_secrets(settings())


@pytest.mark.parametrize("value", ["", " \n", f"{NEW} {OLD} {NEW}", f"{NEW} short", "n" * 31])
def test_a_value_that_is_no_secret_or_too_weak_is_refused_without_telling_it(value):
    with pytest.raises(ConfigurationError) as caught:
        parse_secrets(value, "here")
    assert not any(secret in str(caught.value) for secret in [NEW, OLD, "short", "nnn"])


def test_secrets_do_not_show_in_what_settings_look_like():
    assert NEW not in repr(Settings("r", "c", "v", None, None, 1, token_secrets=NEW))
