"""Which column of a client list is what."""

import pytest

from ringnote.directory.csv_columns import find_columns
from ringnote.errors import InputError


def taken(*headings: str) -> dict[str, list[str]]:
    return find_columns(headings).described()


@pytest.mark.parametrize(
    ("headings", "id_", "name", "phones"),
    [
        ("id,name,phone", "id", "name", "phone"),
        ("external_id,name,phones", "external_id", "name", "phones"),
        (
            "Client ID,First Name,Last Name,Home Phone,Work,Cell,Email",
            "Client ID",
            "First Name Last Name",
            "Home Phone Work Cell",
        ),
        ("Account #,Client,Phone 1,Phone2,Phone Type", "Account #", "Client", "Phone 1 Phone2"),
        (
            "ClientNumber,FullName,MobileNumber,HouseNumber",
            "ClientNumber",
            "FullName",
            "MobileNumber",
        ),
        ("Client No.,Surname,Tel.,Home Address,Microchip Number", "Client No.", "Surname", "Tel."),
        (
            "Account Number,Owner,Client Phone,Spouse Phone,Phone Ext",
            "Account Number",
            "Owner",
            "Client Phone Spouse Phone",
        ),
        ("Number,ID,Customer Name", "ID", "Customer Name", "Number"),
        ("Client,Name,Telephone", "Client", "Name", "Telephone"),
    ],
)
def test_columns_are_guessed_from_their_headings(
    headings: str, id_: str, name: str, phones: str
) -> None:
    found = taken(*headings.split(","))

    assert found["id"] == [id_]
    assert " ".join(found["name"]) == name
    assert " ".join(found["phones"]) == phones


def test_pets_are_patients() -> None:
    assert taken("id", "phone", "Pet Name", "Patients")["patients"] == ["Pet Name", "Patients"]


def test_a_person_may_name_the_columns() -> None:
    columns = find_columns(
        ["Ref", "Who", "Contact"], {"id": "ref", "name": "Who", "phones": ["Contact"]}
    )

    assert (columns.id, columns.name, columns.phones) == (0, 1, (2,))


def test_columns_of_one_heading_are_each_taken_where_it_is_named_as_often() -> None:
    columns = find_columns(["Ref", "Tel", "Tel"], {"id": "Ref", "phones": ["Tel", "Tel"]})

    assert columns.phones == (1, 2)


def test_a_named_column_that_is_not_there_is_told() -> None:
    with pytest.raises(InputError, match=r"no column 'Nummer'.*Ref, Phone"):
        find_columns(["Ref", "Phone"], {"id": "Nummer"})


def test_a_list_without_ids_is_refused_naming_what_it_has() -> None:
    with pytest.raises(InputError, match=r"client's id.*The columns of the file are: Who, Phone"):
        find_columns(["Who", "Phone"])


def test_a_list_without_numbers_is_refused_naming_what_it_has() -> None:
    with pytest.raises(InputError, match=r"phone numbers.*The columns of the file are: id, Email"):
        find_columns(["id", "Email"])


def test_a_list_without_headings_is_refused_without_its_contents() -> None:
    with pytest.raises(InputError, match="name the columns") as told:
        find_columns(["17", "Jane Doe", "(212) 555-0142"])

    assert "Doe" not in str(told.value)
