"""Requests to one HubSpot account, and what its refusals mean. Used by the connector in
`hubspot.py`.

HubSpot names no time under 429, but the limit that was reached.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import (
    ConnectorError,
    OutcomeUnknown,
    RateLimited,
    RecordRejected,
    Temporary,
)
from ..http import Http

Json = dict[str, Any]
ODD_ANSWER = "HubSpot answered in a form that its documentation does not know"
SEARCHES = "search"
"""The kind of endpoint that has a rate of its own."""
WINDOWS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}
"""How long to wait where this limit was reached; that of a day ends at the account's midnight."""
BUSY = (423, 477)
"""Statuses that say nothing of the record: the account is moved, or another is at it."""


class HubSpotRequests:
    """Sends requests with a private app's token."""

    def __init__(self, http: Http, base_url: str, token: str) -> None:
        self._http = http.naming_by(_limit_of)
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}"}

    def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, str] | None = None,
        only_reads: bool = False,
    ) -> Json:
        """What HubSpot answered. A POST that `only_reads` leaves nothing in doubt."""
        try:
            told = self._http.request(
                method,
                f"{self._base_url}/crm/v3/objects{path}",
                params=query,
                headers=self._headers,
                json=body,
                kind=SEARCHES if path.endswith("/search") else "",
            ).json
        except ConnectorError as error:
            raise _in_its_terms(error, only_reads) from None
        if method == "DELETE" and told is None:
            return {}
        if method == "DELETE" or not isinstance(told, dict):
            in_doubt = method == "POST" and not only_reads
            raise OutcomeUnknown(ODD_ANSWER) if in_doubt else Temporary(ODD_ANSWER)
        return told

    def portal(self) -> str:
        """HubSpot's id of the account that the token is of; '' where it does not say."""
        address = self._base_url + "/account-info/v3/details"
        try:
            told = self._http.request("GET", address, headers=self._headers).json
        except ConnectorError:
            return ""
        return str(told.get("portalId", "")) if isinstance(told, dict) else ""


def _limit_of(told: Any) -> str:
    return str(told.get("policyName", "")) if isinstance(told, dict) else ""


def _in_its_terms(error: ConnectorError, only_reads: bool) -> ConnectorError:
    said, status = str(error), error.status
    match error:
        case RateLimited(retry_after=None):
            return RateLimited(said, status=status, retry_after=WINDOWS.get(error.code))
        case OutcomeUnknown() if only_reads:
            return Temporary(said, status=status)
        case RecordRejected() if status in BUSY:
            return Temporary(said, status=status)
    return error
