"""What a connector is held to where tasks are written, amended, done and read back."""

from dataclasses import replace

import pytest

from ..connectors.base import Connector, Kind, Task
from ..errors import RecordGone
from .pms import FakePms, Kept, needs


class TasksContract:
    """A task stands as it was meant, once, and stays as people leave it."""

    assignee = "Front desk"
    """Whom a task can be for."""

    @needs("tasks", "idempotency_key")
    def test_the_same_key_twice_is_one_task(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        first = connector.create_task(task, "key-1")

        again = connector.create_task(task, "key-1")

        assert (first.was_there, again.was_there) == (False, True)
        assert [kept.id for kept in pms.kept(Kind.TASK, task.client_id)] == [again.pms_id]

    @needs("tasks", "read_tasks")
    def test_a_task_is_written_replaced_and_done(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id
        before = connector.get_task(pms_id).is_done

        connector.update_task(
            pms_id, replace(task, body="two missed calls", assignee=self.assignee)
        )
        connector.complete_task(pms_id)
        connector.complete_task(pms_id)

        assert (before, connector.get_task(pms_id).is_done) == (False, True)
        assert pms.kept(Kind.TASK, task.client_id) == [
            Kept(pms_id, task.title, "two missed calls", True, self.assignee)
        ]

    @needs("tasks", "read_tasks")
    def test_an_update_leaves_what_a_person_closed_closed(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id
        pms.close(pms_id)

        connector.update_task(pms_id, replace(task, body="again"))

        assert connector.get_task(pms_id).is_done

    @needs("tasks", "read_tasks", "reopen_task")
    def test_a_done_task_is_opened_again(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id
        connector.complete_task(pms_id)

        connector.reopen_task(pms_id)
        connector.reopen_task(pms_id)

        assert not connector.get_task(pms_id).is_done
        assert pms.kept(Kind.TASK, task.client_id) == [Kept(pms_id, task.title, task.body)]
        connector.complete_task(pms_id)
        assert connector.get_task(pms_id).is_done

    @needs("tasks", "delete_task")
    def test_a_deleted_task_stays_deleted(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id

        connector.delete_task(pms_id)
        connector.delete_task(pms_id)

        assert pms.kept(Kind.TASK, task.client_id) == []

    @needs("tasks", "read_tasks")
    def test_a_task_that_a_person_deleted_is_told_as_gone(
        self, pms: FakePms, connector: Connector, task: Task
    ) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id
        pms.remove(Kind.TASK, pms_id)

        with pytest.raises(RecordGone):
            connector.get_task(pms_id)
        with pytest.raises(RecordGone):
            connector.update_task(pms_id, task)

    @needs("tasks", "find_by_reference")
    def test_a_task_is_found_by_its_reference(self, connector: Connector, task: Task) -> None:
        pms_id = connector.create_task(task, "key-1").pms_id

        assert connector.find_by_reference(Kind.TASK, task.client_id, "R-2") == pms_id
        assert connector.find_by_reference(Kind.NOTE, task.client_id, "R-2") is None
