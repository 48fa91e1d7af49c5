"""What a connector is held to where its requests go through connections that are kept alive."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ..connectors.base import Connector, Note
from .pms import FakePms

THREADS = 4


class ConnectionsContract:
    """A request costs no connection of its own."""

    def test_writes_in_a_row_go_through_one_connection(
        self, pms: FakePms, connector: Connector, note: Note
    ) -> None:
        for number in range(5):
            reference = f"R-{number}"
            connector.create_note(replace(note, reference=reference), f"key-{number}")

        assert pms.server.accepted == 1

    def test_threads_have_no_more_connections_than_they_are(
        self, pms: FakePms, connector: Connector
    ) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for checked in [pool.submit(connector.check) for _ in range(3 * THREADS)]:
                checked.result()

        assert pms.server.accepted <= THREADS
