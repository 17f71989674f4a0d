# ruff: noqa: INP001, T201  # a program to copy, not a package
"""WEBHOOK_SECRET=whsec_… uvicorn receiver_fastapi:app --port 9000."""

import os

from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

app, webhook = FastAPI(), Webhook(os.environ["WEBHOOK_SECRET"])


@app.post("/hook")
async def hook(request: Request) -> Response:
    """Handle an event, and answer 204."""
    try:
        event = webhook.verify(await request.body(), dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return Response(status_code=400)
    print(event["type"], event["data"], flush=True)
    return Response(status_code=204)
