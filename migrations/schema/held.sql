-- Tasks that wait for other tasks (docs/decisions/0032-held-tasks.md).

-- No foreign keys here and in dependency: a row is written only in the transaction that writes its task, and the task has one.
CREATE TABLE held (
    tenant_id uuid NOT NULL,
    task_id uuid NOT NULL,
    remaining integer NOT NULL CHECK (remaining >= 0),
    doomed_by uuid,
    pool text NOT NULL,
    priority smallint NOT NULL,
    due_at timestamptz NOT NULL,
    expires_at timestamptz,
    is_long boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, task_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- No index contains remaining, so that each end of a task that many wait for changes its row in place.
CREATE INDEX held_doomed ON held (tenant_id) WHERE doomed_by IS NOT NULL;
CREATE INDEX held_expiring ON held (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON TABLE held IS
    'A task that waits for other tasks. It has no row in the backlog, so no claim sees it. The transaction that ends the last task '
    'that it waits for deletes the row and writes one in the backlog. It counts as a waiting task.';
COMMENT ON COLUMN held.remaining IS 'How many of the tasks that it waits for have not ended. Written under the lock of tenant_slots.';
COMMENT ON COLUMN held.doomed_by IS
    'A task that did not end as this one needs. The task ends REVOKED with DependencyFailed, at once or by the dispatcher.';
COMMENT ON COLUMN held.priority IS 'The same as task.priority: 0 to 9; 9 is the most urgent.';
COMMENT ON COLUMN held.due_at IS 'Not claimed before this time. When the task is freed later, that time counts.';
COMMENT ON COLUMN held.expires_at IS 'The same as task.expires_at: it ends REVOKED if it has not started by then.';
COMMENT ON COLUMN held.is_long IS 'The same as backlog.is_long.';

CREATE TABLE dependency (
    tenant_id uuid NOT NULL,
    upstream_id uuid NOT NULL,
    downstream_id uuid NOT NULL,
    need smallint NOT NULL CHECK (need BETWEEN 1 AND 3),
    PRIMARY KEY (tenant_id, upstream_id, downstream_id)
);
CREATE INDEX dependency_downstream ON dependency (tenant_id, downstream_id);
COMMENT ON TABLE dependency IS 'One task waits for another. Rows never change; they are deleted with either task.';
COMMENT ON COLUMN dependency.upstream_id IS 'The task that has to end.';
COMMENT ON COLUMN dependency.downstream_id IS 'The task that waits.';
COMMENT ON COLUMN dependency.need IS
    'How the upstream task has to end: 1 success, 2 failure (FAILURE or REVOKED), 3 finished (any end).';
