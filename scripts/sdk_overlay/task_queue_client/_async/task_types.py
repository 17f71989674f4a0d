"""Task types: ``client.task_types``."""

from typing import Unpack

from task_queue_client.calls import Call, segments
from task_queue_client.models import OwnTaskType, OwnTaskTypeValues, TaskTypeInfo, TaskTypeList

from .account import Room


class AsyncTaskTypes(Room):
    """The task types of the service, and those of your own, which your workers run: ``client.task_types``."""

    async def __call__(self) -> tuple[TaskTypeInfo, ...]:
        """Return the same as ``list``."""
        return await self.list()

    async def put(self, name: str, **values: Unpack[OwnTaskTypeValues]) -> OwnTaskType:
        """Declare a task type of your own, or replace its values: the same call again changes nothing."""
        path = segments({"name": name})
        return await self._transport.call(Call("put_task_type", OwnTaskType, path=path, body=dict(values)))

    async def get(self, name: str) -> OwnTaskType:
        """Return a task type of your own."""
        return await self._transport.call(Call("get_task_type", OwnTaskType, path=segments({"name": name})))

    async def delete(self, name: str) -> None:
        """Delete a task type of your own. Tasks that it has can still be leased."""
        await self._transport.call(Call[None]("delete_task_type", None, path=segments({"name": name})))

    async def list(self) -> "tuple[TaskTypeInfo, ...]":
        """Return all task types, with the schemas of their payloads and results."""
        return tuple((await self._transport.call(Call[TaskTypeList]("list_task_types", TaskTypeList))).items)
