"""The contract suite itself: which of its tests a connector is held to."""

from ringnote.connectors.rest.connector import RestConnector
from ringnote.connectors.sandbox import SandboxConnector
from ringnote.testing import ConnectorContract


class Between(ConnectorContract):
    connector_class = RestConnector


class Last(Between):
    connector_class = SandboxConnector
    test_a_note_is_replaced = None


def test_what_a_pms_cannot_do_is_no_test_of_it_nor_what_its_class_leaves_out():
    assert Between.test_the_same_key_twice_is_one_record is None
    assert Last.test_a_note_is_replaced is None


def test_a_class_between_leaves_out_nothing_that_the_connector_can_do():
    of_contract = {name for name in dir(ConnectorContract) if name.startswith("test_")}
    held_to = {name for name in of_contract if getattr(Last, name) is not None}

    assert of_contract - held_to == {"test_a_note_is_replaced"}
