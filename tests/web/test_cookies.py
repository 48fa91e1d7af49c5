"""Our cookies: Secure and bound to the host wherever the browser speaks TLS."""

import pytest

from ringnote import create_app

HOST = {"Host": "clinic.example"}


def cookie(runtime, **public: str) -> str:
    runtime.settings = runtime.settings.model_copy(update=public)
    return (
        create_app(runtime=runtime)
        .test_client()
        .get("/sign-in", headers=HOST)
        .headers["Set-Cookie"]
    )


@pytest.mark.parametrize("url", ["https://clinic.example", "https://clinic.example/ringnote"])
def test_behind_a_proxy_the_public_address_tells_of_tls(runtime, url):
    told = cookie(runtime, public_url=url)

    assert told.startswith("__Host-ringnote-form=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(told.split("; "))


@pytest.mark.parametrize("url", ["", "http://clinic.example", "https://elsewhere.example"])
def test_elsewhere_the_request_tells(runtime, url):
    assert cookie(runtime, public_url=url).startswith("ringnote-form=")
