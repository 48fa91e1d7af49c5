import pytest

from ringnote.access.identity import ANY_SCOPE, Identity, Scope, person
from ringnote.models import Role


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", [Role.VIEWER]),
        ("operator", [Role.VIEWER, Role.OPERATOR]),
        ("admin", [Role.VIEWER, Role.OPERATOR, Role.ADMIN]),
    ],
)
def test_each_role_may_what_those_before_it_may(role, may):
    somebody = person("kim", role)

    assert [each for each in Role if somebody.may(each)] == may
    assert not any(somebody.may(scope) for scope in Scope)


def test_a_program_may_what_its_scopes_say_and_nothing_that_needs_a_role():
    program = Identity("report", scopes=frozenset({Scope.CALLS}))

    assert program.may(Scope.CALLS)
    assert not program.may(Scope.CLIENTS)
    assert not any(program.may(role) for role in Role)


def test_who_is_limited_has_those_clinics_alone_even_if_there_are_none():
    assert person("kim", "admin").has_clinic(7)
    assert person("kim", "admin", [7]).has_clinic(7)
    assert not person("kim", "admin", [7]).has_clinic(8)
    assert not person("kim", "admin", []).has_clinic(7)


def test_a_host_that_names_no_such_role_is_told():
    with pytest.raises(ValueError, match="superuser"):
        person("kim", "superuser")


def test_what_any_scope_opens_needs_one_at_least():
    assert all(Identity("report", scopes=frozenset({scope})).may(ANY_SCOPE) for scope in Scope)
    assert not Identity("report").may(ANY_SCOPE)
    assert not person("kim", "admin").may(ANY_SCOPE)
