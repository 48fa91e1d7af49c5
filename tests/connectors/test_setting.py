"""What a setting's type makes of what is given, and how it says what is wrong."""

import pytest

from ringnote.connectors import CONNECTORS
from ringnote.connectors.base import Setting, SettingType, read_values

KINDS = {
    "text": Setting("x", "What"),
    "address": Setting("x", "Where, e.g. https://a.example", type=SettingType.ADDRESS),
    "number": Setting("x", "How many", type=SettingType.NUMBER, least=1, most=99),
    "yes_no": Setting("x", "Whether", type=SettingType.YES_NO),
    "choice": Setting("x", "Which", type=SettingType.CHOICE, choices=(("5", "a"), ("6", "b"))),
    "file": Setting("x", "Which", type=SettingType.FILE),
}


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("text", " Zoë \n", "Zoë"),
        ("address", " HTTPS://A.Example:8443/Api/ ", "https://a.example:8443/Api/"),
        ("number", " 007 ", "7"),
        ("yes_no", "True", "yes"),
        ("yes_no", "0", "no"),
        ("choice", " 6", "6"),
        ("file", "a = 1\r\nb = 2\r\n", "a = 1\nb = 2"),
        ("number", "  ", ""),
    ],
)
def test_what_is_given_is_kept_in_one_form(kind, given, kept):
    assert KINDS[kind].read(given) == kept
    assert KINDS[kind].read(kept) == kept


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("address", "b.example", "x must be a web address such as https://a.example"),
        ("address", "https://jane:pw@a.example", "x must be a web address such as"),
        ("address", "http://[", "x must be a web address such as"),
        ("address", "http://a.example:x", "x must be a web address such as"),
        ("number", "0", "x must be a whole number from 1 to 99"),
        ("number", "٣", "x must be a whole number from 1 to 99"),
        ("number", "100", "x must be a whole number from 1 to 99"),
        ("yes_no", "perhaps", "x must be yes or no"),
        ("choice", "7", "x must be 5 or 6"),
        ("text", "a\0b", "x must be text"),
    ],
)
def test_what_is_not_of_its_type_is_named_and_not_quoted(kind, given, said):
    values, faults = read_values([KINDS[kind]], {"x": given})

    assert [fault[: len(said)] for fault in faults] == [said]
    assert given not in faults[0]
    assert values == {"x": given}


def test_every_default_is_of_its_setting_s_type():
    for kind in CONNECTORS.values():
        for each in kind.settings:
            assert each.read(each.default) == each.default, (kind.name, each.name)
