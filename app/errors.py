"""The errors Ringnote raises on purpose; anything else that escapes is a bug.

    RingnoteError
    ├── ConfigError               a setting is missing or wrong; names all faults at once
    ├── InputError                what a person asked for cannot be done; says what would work
    ├── WebhookError              a request that is no webhook of any clinic (.status is the answer)
    └── ConnectorError            what a PMS said, translated by its connector
        ├── Temporary             try again (.retry_after seconds, if the PMS named a time)
        │   └── RateLimited       the PMS asks to slow down; costs no attempt
        ├── CredentialsRejected   pause the connection until a person mends it
        ├── RecordRejected        this record will never be taken as it is; a person must look
        ├── RecordGone            the record was deleted in the PMS
        └── OutcomeUnknown        perhaps written: look before writing again

No message carries a client's name, number or text, or a secret.
"""


class RingnoteError(Exception):
    """Root of everything raised on purpose."""


class ConfigError(RingnoteError):
    """A setting is missing or wrong. `faults` lists every one found."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class InputError(RingnoteError):
    """What a person asked for cannot be done; the message says what would work."""


class WebhookError(RingnoteError):
    """A request that is no webhook of any clinic; `status` is the HTTP answer it deserves."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


class ConnectorError(RingnoteError):
    """What a PMS answered, translated. `status` is the HTTP status, if there was an answer; `code`
    is what the answer calls the error, where it is known how to read it. It may quote a client.
    `is_web_page`: it answered so under 2xx, as who wants somebody to sign in does. `retry_after`:
    the seconds that it asks to be left alone for, None where it named no time."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        self.code = ""
        self.is_web_page = False
        self.retry_after: float | None = None
        super().__init__(message)


class Temporary(ConnectorError):
    """The PMS cannot do it now."""

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


class RateLimited(Temporary):
    """The PMS asks to slow down: wait, without counting an attempt."""


class CredentialsRejected(ConnectorError):
    """The PMS refuses the account: nothing will pass until a person mends it."""


class RecordRejected(ConnectorError):
    """The PMS refuses this one record as it is."""


class RecordGone(ConnectorError):
    """The record that was to be changed no longer exists in the PMS."""


class OutcomeUnknown(ConnectorError):
    """The request was sent and no answer came: it may have been carried out."""
