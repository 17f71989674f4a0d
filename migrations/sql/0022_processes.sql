-- The dispatchers and webhooks processes, as they say themselves; workers have a table of their own.
CREATE TABLE process_heartbeat (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('dispatcher', 'webhooks')),
    hostname text NOT NULL,
    pid integer NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
-- A dispatcher writes by the role by which it ends attempts, whose connection it has anyway.
GRANT SELECT, INSERT, UPDATE, DELETE ON process_heartbeat TO tq_worker, tq_webhook;
GRANT SELECT ON process_heartbeat TO tq_api, tq_admin;

-- Which of a host's workers a row is.
ALTER TABLE worker ADD COLUMN pid integer;
