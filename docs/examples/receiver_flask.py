# ruff: noqa: INP001, T201  # a program to copy, not a package
"""WEBHOOK_SECRET=whsec_… flask --app receiver_flask run --port 9000."""

import os

from flask import Flask, request
from standardwebhooks import Webhook, WebhookVerificationError

app, webhook = Flask(__name__), Webhook(os.environ["WEBHOOK_SECRET"])


@app.post("/hook")
def hook() -> tuple[str, int]:
    """Handle an event, and answer 204."""
    try:
        event = webhook.verify(request.get_data(), {name.lower(): value for name, value in request.headers})
    except (WebhookVerificationError, ValueError):
        return "", 400
    print(event["type"], event["data"], flush=True)
    return "", 204
