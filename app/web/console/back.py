"""Where a page that says no leads back to, so that what was typed there can be mended."""

from urllib.parse import parse_qs, urlsplit

from flask import current_app, request
from werkzeug.exceptions import HTTPException

NEEDED = {
    "call": "uuid",
    "choose_pms": "clinic",
    "connection": "clinic",
    "conversation": "id",
    "import_list": "clinic",
    "import_progress": "clinic",
    "policy": "clinic",
    "rejected_rows": "clinic",
}
"""What a page's address has to name for the page to be there again. That of the policy shows some
clinic's without, which need not be the one whose form was answered at the same address."""


def find_way_back() -> str:
    """The address of the console's page from which a form came; '' where asking for it would not
    show that page again, as for one that answered a form itself."""
    came_from = request.referrer or ""
    adapter = current_app.create_url_adapter(request)
    if adapter is None or not came_from.startswith(request.host_url):
        return ""
    address = urlsplit(came_from)
    try:
        endpoint, _ = adapter.match(address.path.removeprefix(request.script_root), method="GET")
    except HTTPException:
        return ""
    room, _, page = endpoint.rpartition(".")
    if room != request.blueprint:
        return ""
    needed = NEEDED.get(page)
    return came_from if needed is None or needed in parse_qs(address.query) else ""
