import pytest

from ringnote.access.passwords import hash_password, is_password
from ringnote.errors import InputError

GOOD = "paper lantern on a hill"


def test_a_password_is_known_again_by_a_hash_that_does_not_hold_it():
    kept = hash_password(GOOD, "kim")

    assert kept.startswith("$argon2id$")
    assert GOOD not in kept
    assert is_password(GOOD, kept)
    assert not is_password(GOOD + " ", kept)
    assert hash_password(GOOD, "kim") != kept


def test_a_letter_typed_as_one_character_or_as_two_is_the_same():
    assert is_password("cafe\u0301 on the corner", hash_password("café on the corner", "kim"))


@pytest.mark.parametrize(
    "password", ["", "short", "x" * 1001, "abababababab", "kimberley-2026!", "a" * 12]
)
def test_what_is_easily_guessed_is_refused_without_being_quoted(password):
    with pytest.raises(InputError) as raised:
        hash_password(password, "kimberley")

    assert len(password) < 2 or password not in str(raised.value)


def test_without_a_hash_or_with_a_broken_one_nothing_is_the_password():
    assert not is_password("nobody has this password", None)
    assert not is_password(GOOD, "not a hash")
    assert not is_password("\ud83d", hash_password(GOOD, "kim"))
