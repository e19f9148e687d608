"""Whom clients of a stack trust."""

import ssl

import pytest
import trustme

from simulator.errors import EnvironmentFailure
from simulator.trust import tls_context


@pytest.fixture
def bundle(tmp_path):
    file = tmp_path / "bundle.pem"
    trustme.CA(organization_name="ours").cert_pem.write_to_path(file)
    return str(file)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/primary", "http://127.0.0.1:1", "WS://a", "nonsense"])
def test_a_plain_address_needs_none(url, bundle):
    assert tls_context(url, bundle) is None


@pytest.mark.parametrize("url", ["wss://127.0.0.1:1/primary", "https://127.0.0.1:1", "WSS://a"])
def test_a_secure_address_is_checked_against_the_bundle_alone(url, bundle):
    context = tls_context(url, bundle)
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    [authority] = context.get_ca_certs()
    assert dict(part for [part] in authority["subject"])["organizationName"] == "ours"


def test_without_a_bundle_this_machine_is_trusted():
    context = tls_context("wss://a", None)
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_bundle_is_read_once(bundle):
    assert tls_context("wss://a", bundle) is tls_context("https://b", bundle)


def test_a_bundle_that_is_gone_is_one_sentence(tmp_path):
    with pytest.raises(EnvironmentFailure, match=r"bundle\.pem cannot be read .*is the stack still running"):
        tls_context("wss://a", str(tmp_path / "bundle.pem"))
