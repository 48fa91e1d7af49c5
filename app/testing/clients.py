"""What a connector is held to where clients are read: searched, walked and followed."""

from contextlib import suppress
from itertools import islice

from ..connectors.base import Connector, Kind, PmsClient
from ..errors import Temporary
from ..numbers import read_number
from .pms import NAME, NUMBER, SPELLINGS, FakePms, gather, needs, own_ids
from .repeating import Repeating


class ClientsContract:
    """Nobody is missed, whatever the spelling and wherever a walk was broken off."""

    def test_check_signs_in_and_writes_nothing(
        self, connector: Connector, pms: FakePms, client_id: str
    ) -> None:
        assert connector.check().account

        assert pms.kept(Kind.NOTE, client_id) == []

    @needs("search_by_phone")
    def test_all_who_have_a_number_are_found_whatever_its_spelling(
        self, pms: FakePms, connector: Connector
    ) -> None:
        ids = pms.add_clients((NAME, (spelling,)) for spelling in SPELLINGS)
        pms.add_clients([("Ben Ito", ("+12125550143",)), ("Eve Ito", ("+13105550142",))])

        found = [client.id for client in connector.find_clients(NUMBER)]

        assert [each for each, i in zip(SPELLINGS, ids, strict=True) if i not in found] == []
        assert sorted(found) == sorted(ids)

    @needs("search_by_phone")
    def test_who_is_found_by_a_second_number_is_told_by_name(
        self, pms: FakePms, connector: Connector
    ) -> None:
        [sought] = pms.add_clients([(NAME, ("212-555-0143", NUMBER))])

        found = connector.find_clients(NUMBER)

        assert [(client.id, client.name) for client in found] == [(sought, NAME)]

    @needs("search_by_phone")
    def test_nobody_is_found_for_a_strangers_number(
        self, connector: Connector, client_id: str
    ) -> None:
        assert connector.find_clients("+12125550199") == []

    def test_all_pages_are_walked_to_the_end(self, pms: FakePms, connector: Connector) -> None:
        ids = pms.add_clients((f"Client {n}", (f"(212) 555-{n:04d}",)) for n in range(450))

        walked = gather(connector, None)

        assert own_ids(pms, walked) == set(ids)
        assert read_number(walked[ids[7]].phones[0].number, "US").e164 == "+12125550007"

    def test_pages_that_repeat_are_not_read_for_ever(self, pms: FakePms) -> None:
        pms.add_clients((f"Client {n}", (NUMBER,)) for n in range(210))
        http = Repeating()
        connector = pms.connector(http)

        told: list[tuple[PmsClient, ...]] = []
        with suppress(Temporary):
            # A sync gives up once it is told a page again.
            told += (page.clients for page in islice(connector.iter_clients(None), 20))
        if connector.capabilities.search_by_phone:
            with suppress(Temporary):
                connector.find_clients(NUMBER)

        assert len({*told}) < 20
        http.close()

    def test_a_walk_goes_on_from_any_cursor(self, pms: FakePms, connector: Connector) -> None:
        ids = pms.add_clients((f"Client {n}", (f"(212) 555-{n:04d}",)) for n in range(450))
        first = next(iter(connector.iter_clients(None)))

        rest = gather(connector, first.cursor)

        told = [*(client.id for client in first.clients), *rest]
        assert own_ids(pms, told) == set(ids)
        assert len(rest) < len(ids)

    @needs("delta_sync")
    def test_a_delta_tells_what_was_added_changed_and_deleted(
        self, pms: FakePms, connector: Connector
    ) -> None:
        ids = pms.add_clients((f"Client {n}", ("212-555-0142",)) for n in range(30))
        *_, last = connector.iter_clients(None)
        pms.rename_client(ids[3], "Zoë Renamed")
        pms.remove_client(ids[4])
        [added] = pms.add_clients([("Newcomer", ("212-555-0150",))])

        delta = gather(connector, last.cursor)

        assert delta[ids[3]].name == "Zoë Renamed"
        assert delta[ids[4]].is_deleted
        assert not delta[added].is_deleted
        assert len(delta) < len(ids)
