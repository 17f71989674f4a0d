"""The database: login of the roles, pools of connections, and transactions that see only certain tenants' rows."""

from app.db.calls import call
from app.db.connection import Connection, affected, connect
from app.db.primary import AWAY
from app.db.scope import Database
from app.db.urls import role_url

__all__ = ["AWAY", "Connection", "Database", "affected", "call", "connect", "role_url"]
