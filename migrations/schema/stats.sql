-- What happened to a tenant's tasks over time, in minutes, hours and days (docs/decisions/0021-statistics.md).

CREATE TABLE stat (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    minutes smallint NOT NULL CHECK (minutes IN (1, 60, 1440)),
    starts_at timestamptz NOT NULL,
    task text NOT NULL,
    submitted bigint NOT NULL DEFAULT 0,
    succeeded bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    revoked bigint NOT NULL DEFAULT 0,
    retried bigint NOT NULL DEFAULT 0,
    is_at_limit boolean NOT NULL DEFAULT false,
    times bigint[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, minutes, starts_at, task)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
-- For the chart of all tenants. The key begins with the tenant.
CREATE INDEX stat_hour ON stat (starts_at) WHERE minutes = 60;
COMMENT ON TABLE stat IS
    'One task type of a tenant in a minute, an hour or a day of UTC. Only the leading dispatcher writes it. Each event is '
    'counted in all three. Minutes are kept for 48 hours, hours for 35 days, days for 400 days.';
COMMENT ON COLUMN stat.minutes IS 'Length of the bucket: 1, 60 or 1440.';
COMMENT ON COLUMN stat.task IS 'Name of the task type. Empty in the row that has is_at_limit, which is the tenant''s.';
COMMENT ON COLUMN stat.submitted IS
    'Tasks accepted. In the row of a day it is also what was taken from usage_by_task (functions/stat_count_submits.sql).';
COMMENT ON COLUMN stat.succeeded IS 'Tasks that ended with SUCCESS; failed and revoked likewise.';
COMMENT ON COLUMN stat.retried IS 'Attempts that failed and were followed by another.';
COMMENT ON COLUMN stat.is_at_limit IS 'True if running tasks stood at their limit at some time.';
COMMENT ON COLUMN stat.times IS
    'Histograms of the attempts whose code has ended. Each element is count * 256 + key. key is a bucket (functions/stat_bucket.sql) '
    'of the run time, 64 + that of the wait at the limit, or 128 + that of the rest of the wait.';
