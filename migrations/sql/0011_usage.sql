-- Attempts that end together and are of one task type make one row.
ALTER TABLE worker_time ADD COLUMN attempts integer NOT NULL DEFAULT 1;

DROP FUNCTION usage_roll_up;

-- Add up to p_limit rows to their days; returns how many attempts have ended and how long they ran, of each tenant. In the
-- order of the key, as submits do. A row that somebody holds is left for the next time: the dispatcher waits for nobody.
CREATE FUNCTION usage_roll_up(p_limit integer) RETURNS TABLE (tenant_id uuid, attempts bigint, seconds double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET lock_timeout = '100ms' AS $$
#variable_conflict use_column
DECLARE
    tenants uuid[];
    counts bigint[];
    sums double precision[];
BEGIN
    -- Into variables first: rows once returned would stay when the statement then fails.
    WITH gone AS (
        DELETE FROM worker_time w WHERE w.id IN (SELECT o.id FROM worker_time o ORDER BY o.id LIMIT p_limit)
        RETURNING w.tenant_id, w.day, w.task, w.attempts, w.seconds
    ), added AS (
        INSERT INTO usage_by_task AS u (tenant_id, day, task, attempts, worker_seconds)
        SELECT g.tenant_id, g.day, g.task, sum(g.attempts), sum(g.seconds) FROM gone g GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT ON CONSTRAINT usage_by_task_pkey DO UPDATE
            SET attempts = u.attempts + excluded.attempts, worker_seconds = u.worker_seconds + excluded.worker_seconds
    )
    SELECT array_agg(s.tenant_id), array_agg(s.n), array_agg(s.seconds) INTO tenants, counts, sums
    FROM (SELECT g.tenant_id, sum(g.attempts) AS n, sum(g.seconds) AS seconds FROM gone g GROUP BY g.tenant_id) AS s;
    RETURN QUERY SELECT * FROM unnest(tenants, counts, sums);
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END $$;
REVOKE ALL ON FUNCTION usage_roll_up FROM public;
GRANT EXECUTE ON FUNCTION usage_roll_up TO tq_dispatch;
