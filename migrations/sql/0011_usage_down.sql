DROP FUNCTION usage_roll_up;

-- Each attempt had a row.
INSERT INTO worker_time (tenant_id, day, task, seconds)
SELECT w.tenant_id, w.day, w.task, 0 FROM worker_time w, generate_series(2, w.attempts);
ALTER TABLE worker_time DROP COLUMN attempts;

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
        RETURNING w.tenant_id, w.day, w.task, w.seconds
    ), added AS (
        INSERT INTO usage_by_task AS u (tenant_id, day, task, attempts, worker_seconds)
        SELECT g.tenant_id, g.day, g.task, count(*), sum(g.seconds) FROM gone g GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT ON CONSTRAINT usage_by_task_pkey DO UPDATE
            SET attempts = u.attempts + excluded.attempts, worker_seconds = u.worker_seconds + excluded.worker_seconds
    )
    SELECT array_agg(s.tenant_id), array_agg(s.n), array_agg(s.seconds) INTO tenants, counts, sums
    FROM (SELECT g.tenant_id, count(*) AS n, sum(g.seconds) AS seconds FROM gone g GROUP BY g.tenant_id) AS s;
    RETURN QUERY SELECT * FROM unnest(tenants, counts, sums);
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END $$;
REVOKE ALL ON FUNCTION usage_roll_up FROM public;
GRANT EXECUTE ON FUNCTION usage_roll_up TO tq_dispatch;
