"""The task types that the service ships with."""

import time

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from app.tasks import TaskCancelled, TaskContext, task


class LongTaskPayload(BaseModel):
    """The duration and steps of the simulated work, and the number of attempts that fail first."""

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(5, ge=0, le=600, description="Seconds of work in all.")
    steps: int = Field(10, ge=1, le=1_000, description="Progress is reported after each step.")
    fail_attempts: int = Field(0, ge=0, le=25, description="How many attempts fail before one succeeds.")
    value: JsonValue = Field(None, description="Handed back in the result.")


class LongTaskResult(BaseModel):
    """The work that was done."""

    seconds: float = Field(description="Seconds of work in all.")
    steps: int = Field(description="Steps that were done.")
    value: JsonValue = Field(description="The value of the payload.")


class SimulatedFailure(RuntimeError):  # noqa: N818 tenants read it as the error's type
    """The failure that ``fail_attempts`` requests."""


# Without jitter, so that users who try it see how the delays grow.
@task("long_task", retry_jitter=False)
def long_task(payload: LongTaskPayload, context: TaskContext) -> LongTaskResult:
    """Simulated work with progress, to try the service with."""
    if context.attempt <= payload.fail_attempts:
        message = f"attempt {context.attempt} of {payload.fail_attempts} that were asked to fail"
        raise SimulatedFailure(message)
    for step in range(payload.steps):
        if context.cancel_requested:
            raise TaskCancelled
        time.sleep(payload.seconds / payload.steps)
        context.progress(step + 1, payload.steps, f"step {step + 1} of {payload.steps}")
    return LongTaskResult(seconds=payload.seconds, steps=payload.steps, value=payload.value)


class EchoPayload(RootModel[JsonValue]):
    """Any JSON value."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"hello": "world"}]})


@task("echo")
def echo(payload: EchoPayload, context: TaskContext) -> JsonValue:  # noqa: ARG001 every task type takes a context
    """Return the payload."""
    return payload.root
