"""Reading phone numbers by region, telling what they are, masking them."""

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringnote import numbers
from ringnote.numbers import NumberKind, mask, read_number, read_numbers

REGIONS = ("US", "GB", "AU", "NZ", "IE", "CA", "DE", "MX", "AR", "BR", "IT", "")
DIGITS = "0123456789"


def with_signs(digits: str) -> st.SearchStrategy[str]:
    """These digits as people and machines write them."""
    before = st.sampled_from(
        ("", "+", "00", "011", "1", " ", "(", "tel:", "sip:", "Cell ", "\u202a")
    )
    between = st.lists(
        st.sampled_from(("", "", "-", " ", ".", "/", ")")),
        min_size=len(digits),
        max_size=len(digits),
    )
    behind = st.sampled_from(("", " x5", ";ext=12", " ext: 1", "#", "@pbx", " wife", " (mob)"))
    return st.builds(
        lambda first, signs, last: first + "".join(map(str.__add__, digits, signs)) + last,
        before,
        between,
        behind,
    )


RAW = st.one_of(
    st.text(DIGITS, min_size=1, max_size=16).flatmap(with_signs),
    st.text("0123456789+*#();,x ext.AB\n", max_size=40),
    st.text(max_size=70),
)


@pytest.mark.parametrize(
    "raw",
    [
        "2125550142",
        "12125550142",
        "+12125550142",
        " 12125550142",
        "01112125550142",
        "0012125550142",
        "(212) 555-0142",
        "212.555.0142",
        "212/555-0142",
        "1 (212) 555-0142",
        "+1-212-555-0142",
        "+2125550142",
        "\u202a+1 212 555 0142\u202c",
        "２１２５５５０１４２",
        "tel:+1-212-555-0142",
        "sip:+12125550142@192.0.2.1",
        '"J" <sip:2125550142@pbx.example>',
        "2125550142@192.0.2.1",
        "2125550142#",
    ],
)
def test_an_american_number_is_one_number_in_every_format(raw):
    read = read_number(raw, "US")

    assert (read.kind, read.e164, read.national) == ("phone", "+12125550142", "2125550142")
    assert read.raw == raw


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("0412 345 678", "AU", "+61412345678"),
        ("61412345678", "AU", "+61412345678"),
        ("(02) 9876 5432", "AU", "+61298765432"),
        ("1300 975 707", "AU", "+611300975707"),
        ("07700 900123", "GB", "+447700900123"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("+44 (0)20 7946 0958", "GB", "+442079460958"),
        ("+44 (0)20 7946 0958", "US", "+442079460958"),
        ("442079460958", "US", "+442079460958"),
        ("011442079460958", "US", "+442079460958"),
        ("00442079460958", "US", "+442079460958"),
        ("0011 1 212 555 0142", "AU", "+12125550142"),
        ("12125550142", "AU", "+12125550142"),
        ("12125550142", "GB", "+12125550142"),
    ],
)
def test_a_number_is_read_by_the_region_of_its_clinic(raw, region, e164):
    assert read_number(raw, region).e164 == e164


@pytest.mark.parametrize("area", ["0113", "0114", "0115", "0116", "0117", "0118"])
def test_british_area_codes_that_look_like_011_are_not_abroad(area):
    assert read_number(f"{area} 496 0123", "GB").e164 == f"+44{area[1:]}4960123"


def test_a_foreign_number_without_its_plus_is_not_taken_for_a_service_of_the_region():
    assert read_number("447700900123", "AU").e164 == "+447700900123"


@pytest.mark.parametrize(
    ("raw", "region"), [("07700 900123", "GB"), ("212 555 0142", "US"), ("1234567890", "US")]
)
def test_possible_is_enough_valid_is_not_asked_for(raw, region):
    assert read_number(raw, region).kind is NumberKind.PHONE


@pytest.mark.parametrize(("raw", "region"), [("555-0142", "US"), ("7946 0958", "GB")])
def test_a_number_without_its_area_code_is_nobodys(raw, region):
    assert read_number(raw, region).kind is NumberKind.UNREADABLE


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "   ",
        "anonymous",
        "ANONYMOUS",
        "Private",
        "blocked",
        "Unknown",
        "RESTRICTED",
        "unavailable",
        "Withheld",
        "no caller id",
        "No  Caller ID",
        "NO_CALLER_ID",
        "Private Number",
        "<unknown>",
        "null",
        "anonymous@anonymous.invalid",
        "sip:anonymous@192.0.2.1",
        "{CALLER_ID_1}",
        "{}",
    ],
)
def test_withheld_in_words(raw):
    assert read_number(raw, "US").kind is NumberKind.WITHHELD


@pytest.mark.parametrize("before", ["", "+", "1", "+1", "+1 "])
@pytest.mark.parametrize("keypad", ["266696687", "7378742833", "2562533", "8656696", "86282452253"])
def test_withheld_in_keypad_digits(keypad, before):
    assert read_number(before + keypad, "US").kind is NumberKind.WITHHELD


@pytest.mark.parametrize("raw", ["(737) 874-2833", "737-874-2833 x5", "01117378742833"])
def test_restricted_looks_like_a_number_and_is_none(raw):
    assert read_number(raw, "US").kind is NumberKind.WITHHELD


@pytest.mark.parametrize("raw", ["0000000000", "+10000000000", "00000000"])
def test_nothing_but_zeros_is_withheld(raw):
    assert read_number(raw, "US").kind is NumberKind.WITHHELD


@pytest.mark.parametrize("raw", ["10", "101", "7000", "24273", "262966", "+101", " 101 "])
def test_two_to_six_digits_are_an_extension_or_a_short_code(raw):
    assert read_number(raw, "US").kind is NumberKind.EXTENSION


@pytest.mark.parametrize("raw", ["*67", "*98", "*97101", "#31#", "*672125550142"])
def test_star_codes(raw):
    assert read_number(raw, "US").kind is NumberKind.STAR_CODE


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("911", "US"),
        ("+911", "US"),
        ("9-1-1", "US"),
        ("988", "CA"),
        ("999", "GB"),
        ("112", "IE"),
        ("000", "AU"),
        ("111", "NZ"),
        ("112", "DE"),
    ],
)
def test_emergency_numbers_are_no_extensions(raw, region):
    assert read_number(raw, region).kind is NumberKind.EMERGENCY


@pytest.mark.parametrize("raw", ["PETDESK", "VETS4U", "Oak Vets", "A", "1", "ext: 1", "5" * 65])
def test_a_sender_of_letters_is_no_number(raw):
    read = read_number(raw, "US")

    assert (read.kind, read.e164, read.raw) == (NumberKind.UNREADABLE, "", raw)


@pytest.mark.parametrize(
    ("raw", "extension"),
    [
        ("212-555-0142 x5", "5"),
        ("212-555-0142x12", "12"),
        ("212-555-0142 ext 101", "101"),
        ("212-555-0142 Ext. 101", "101"),
        ("212-555-0142 ext: 1", "1"),
        ("212-555-0142, ext 1", "1"),
        ("212-555-0142 extension 7", "7"),
        ("212-555-0142 #7", "7"),
        ("+12125550142;ext=5", "5"),
        ("tel:+1-212-555-0142;ext=5", "5"),
        ("212-555-0142 x1234567", "1234567"),
    ],
)
def test_an_extension_suffix_is_kept_apart(raw, extension):
    read = read_number(raw, "US")

    assert (read.e164, read.extension) == ("+12125550142", extension)
    assert [each.extension for each in read_numbers(raw, "US")] == [extension]


def test_letters_may_be_keypad_digits():
    assert read_number("1-800-JKL-01VE", "US").e164 == "+18005550183"


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("212-555-0142 wife", "US", "+12125550142"),
        ("+1 212-555-0142 (Jane)", "US", "+12125550142"),
        ("0412 345 678 mob", "AU", "+61412345678"),
    ],
)
def test_words_behind_a_number_are_not_dialled(raw, region, e164):
    assert read_number(raw, region).e164 == e164


@pytest.mark.parametrize(
    ("field", "region", "found"),
    [
        ("0412345678; 0298765432", "AU", [("+61412345678", ""), ("+61298765432", "")]),
        ("0412345678/0298765432", "AU", [("+61412345678", ""), ("+61298765432", "")]),
        ("Spouse (123) 456-7890", "US", [("+11234567890", "Spouse")]),
        ("ext: 1", "US", []),
        ("", "US", []),
        ("none", "US", []),
        ("ask Jane", "US", []),
        ("2125550142 or 2125550143", "US", [("+12125550142", ""), ("+12125550143", "")]),
        ("2125550142 2125550143", "US", [("+12125550142", ""), ("+12125550143", "")]),
        ("2125550142\n2125550143", "US", [("+12125550142", ""), ("+12125550143", "")]),
        ("212/555-0142", "US", [("+12125550142", "")]),
        ("1-800-JKL-01VE", "US", [("+18005550183", "")]),
        ("212-555-0142 (wife)", "US", [("+12125550142", "wife")]),
        ("H: 212-555-0142 W: 212-555-0143", "US", [("+12125550142", "H"), ("+12125550143", "W")]),
        (
            "212-555-0142 (home) 212-555-0143 (work)",
            "US",
            [("+12125550142", "home"), ("+12125550143", "work")],
        ),
        ("Jane's 2nd phone 212-555-0142", "US", [("+12125550142", "Jane's 2nd phone")]),
        ("7378742833, 2125550142", "US", [("+12125550142", "")]),
    ],
)
def test_several_numbers_in_one_field(field, region, found):
    assert [(each.e164, each.label) for each in read_numbers(field, region)] == found


def test_an_extension_belongs_to_the_number_before_it():
    found = read_numbers("212-555-0142; ext: 1, 212-555-0143", "US")

    assert [(each.e164, each.extension) for each in found] == [
        ("+12125550142", "1"),
        ("+12125550143", ""),
    ]


def test_the_raw_text_of_each_number_is_kept():
    found = read_numbers("Home: 212-555-0142; 212-555-0143 x12", "US")

    assert [each.raw for each in found] == ["Home: 212-555-0142", "212-555-0143 x12"]


@settings(max_examples=400, deadline=None)
@example("0000:", "DE")
@example("000 wife", "AU")
@example("6210000000000000", "US")
@example("sip:0000000001 0", "US")
@example("+1 737-874-2833 x5", "US")
@example("5550142", "US")
@example("9" * 70, "US")
@given(RAW, st.sampled_from(REGIONS))
def test_reading_never_raises_and_a_read_number_reads_as_itself(raw, region):
    read = read_number(raw, region)

    assert read.raw == raw
    assert (read.kind is NumberKind.PHONE) == bool(read.e164) == bool(read.national)
    if read.e164:
        again = read_number(read.e164, region)
        assert re.fullmatch(r"\+[0-9]{7,15}", read.e164)
        assert (again.kind, again.e164) == (read.kind, read.e164)
        assert again.national == read.national


@settings(max_examples=300, deadline=None)
@example("sip:0000000001 0", "US")
@given(st.lists(RAW, max_size=4), st.sampled_from(("; ", " ", "/", "\n", " or ")))
def test_a_field_gives_numbers_alone_and_each_reads_as_itself(raws, between):
    for read in read_numbers(between.join(raws), "US"):
        assert read.kind is NumberKind.PHONE
        assert read_number(read.e164, "US").e164 == read.e164


@pytest.mark.parametrize("field", ["(", "1", "12 ", "+1-", "212-555-0142 ", "x1", "((((1", ";"])
def test_the_worst_field_takes_no_time(field):
    began = time.thread_time()

    read_numbers(field * 100_000, "US")

    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+12125550142", "+1•••••0142"),
        ("+61412345678", "+61•••••5678"),
        ("+442079460958", "+44•••••0958"),
        ("+29012345", "+290•••••45"),
        ("2125550142", "•••••"),
        ("Jane Doe", "•••••"),
        ("+99912345678", "•••••"),
        ("+٠١٢٣٤٥٦٧٨", "•••••"),
        ("+12125550142\n", "•••••"),
        ("", "•••••"),
    ],
)
def test_a_masked_number_shows_its_country_and_last_digits_only(number, masked):
    assert mask(number) == masked


@settings(max_examples=400, deadline=None)
@example("+29012345")
@given(st.one_of(st.text(DIGITS, min_size=5, max_size=17).map("+{}".format), RAW))
def test_a_mask_never_shows_more_than_a_few_of_the_last_digits(number):
    masked = mask(number)

    shown = re.fullmatch(r"(?:\+([0-9]{1,3}))?•••••([0-9]{2}|[0-9]{4})?", masked)
    assert shown
    code, last = shown[1] or "", shown[2] or ""
    assert number.startswith(f"+{code}" if code else "")
    assert number.endswith(last)
    assert not last or len(number) - 1 - len(code) - len(last) >= len(last)


@settings(max_examples=300)
@given(raw=st.from_regex(numbers.PLAIN, fullmatch=True), region=st.sampled_from(("US", "CA")))
@example("7378742833", "US")
@example("(737) 874-2833", "CA")
@example("+1(212 555.0142", "US")
def test_a_plain_number_is_read_as_the_library_reads_it(raw, region):
    quick = read_number(raw, region)

    # An E.164 number is read by the library in any other region.
    assert quick.e164 == read_number(f"+1{''.join(re.findall('[0-9]', raw)[-10:])}", "DE").e164
    assert quick.kind in (NumberKind.PHONE, NumberKind.WITHHELD)
    spelled_out = read_number(f"{raw} (mob)", region)
    assert (quick.e164, quick.national) == (spelled_out.e164, spelled_out.national)


@settings(max_examples=300)
@given(raw=st.from_regex(numbers.ALONE, fullmatch=True), region=st.sampled_from(REGIONS))
@example("7378742833", "US")
@example("212-555-0142", "US")
@example("020 7946 0958", "GB")
def test_a_number_alone_in_its_field_is_read_as_one_among_others(raw, region):
    assert read_numbers(raw, region) == numbers._read_parts(raw, region)
