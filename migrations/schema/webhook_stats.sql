-- Counts of the attempts of deliveries, for their tenants' charts.

CREATE TABLE webhook_stat (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    bucket text NOT NULL CHECK (bucket IN ('minute', 'hour', 'day')),
    at timestamptz NOT NULL,
    endpoint_id uuid NOT NULL,
    event_type text NOT NULL,
    status_class text NOT NULL CHECK (status_class IN ('2xx', '3xx', '4xx', '5xx', 'none')),
    attempts integer NOT NULL,
    first_attempts integer NOT NULL,
    histogram integer[] NOT NULL,
    PRIMARY KEY (tenant_id, bucket, at, endpoint_id, event_type, status_class)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE webhook_stat IS
    'How many attempts of deliveries there were. Each attempt is counted in the transaction that records it, in the buckets of '
    'its minute, hour and day, so no call has to read deliveries or add up smaller buckets.';
COMMENT ON COLUMN webhook_stat.bucket IS
    'The length of the bucket. Minutes are kept for 48 hours, hours for 35 days and days for 400 days (functions/prune_account.sql).';
COMMENT ON COLUMN webhook_stat.at IS 'Begin of the bucket, in UTC.';
COMMENT ON COLUMN webhook_stat.endpoint_id IS 'The endpoint; all zeros for the webhook_url of tasks.';
COMMENT ON COLUMN webhook_stat.status_class IS 'First digit of the answer''s HTTP status; none if no answer came.';
COMMENT ON COLUMN webhook_stat.first_attempts IS 'Attempts that were the first of their delivery.';
COMMENT ON COLUMN webhook_stat.histogram IS 'Attempts by duration, in the buckets of app/webhooks/durations.py.';
