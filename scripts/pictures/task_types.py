"""The task types of a shop, as an operator would write them: they only wait, report progress and log."""

import time

from pydantic import BaseModel, ConfigDict, Field

from app.tasks import TaskContext, TaskFailure, task


class ReportPayload(BaseModel):
    """The report to make."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"month": "2026-10", "format": "pdf"}]})

    month: str = Field(description="Year and month.")
    format: str = Field("pdf", description="pdf or csv.")
    seconds: float = Field(1.0, ge=0, le=600, description="How long it takes.")


class ReportResult(BaseModel):
    """Where the report is."""

    url: str
    pages: int


class ImportPayload(BaseModel):
    """The file to import."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"file": "customers.csv", "rows": 1200}]})

    file: str
    rows: int = Field(ge=1)
    bad_row: int | None = Field(None, description="A row that cannot be read.")
    seconds: float = Field(0.5, ge=0, le=600, description="How long it takes.")


class InvoicePayload(BaseModel):
    """The invoice to send."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"order": 4711, "amount": "129.90"}]})

    order: int
    amount: str
    attempts_that_fail: int = 0


@task("report.monthly")
def report_monthly(payload: ReportPayload, context: TaskContext) -> ReportResult:
    """Make the report of a month."""
    steps = ("read the orders", "add up the taxes", "draw the charts", "write the pages")
    for number in range(20):
        if number % 5 == 0:
            context.log.info(steps[number // 5], extra={"month": payload.month})
        time.sleep(payload.seconds / 20)
        context.progress(number + 1, 20, steps[number // 5])
    return ReportResult(url=f"https://files.example.com/reports/{payload.month}.{payload.format}", pages=14)


@task("customers.import")
def customers_import(payload: ImportPayload, context: TaskContext) -> int:
    """Import customers from a file."""
    context.log.info("reading", extra={"file": payload.file})
    time.sleep(payload.seconds)
    if payload.bad_row is not None:
        context.log.error("a row has no e-mail address", extra={"row": payload.bad_row})
        message = f"row {payload.bad_row} has no e-mail address"
        raise TaskFailure(message)
    context.log.info("imported", extra={"rows": payload.rows})
    return payload.rows


class MailServerBusy(RuntimeError):  # noqa: N818 tenants read it as the error's type
    """The mail server wants the invoice later."""


@task("invoice.send")
def invoice_send(payload: InvoicePayload, context: TaskContext) -> str:
    """Send an invoice by mail."""
    context.log.info("sending", extra={"order": payload.order})
    if context.attempt <= payload.attempts_that_fail:
        context.log.warning("the mail server is busy", extra={"status": 421})
        message = "421 too many connections"
        raise MailServerBusy(message)
    return f"invoice-{payload.order}.pdf"
