-- Purpose. Count failed attempts in the errors that they are occurrences of. Rows of error_seen are deleted in the transaction that
--   counts them, so each is counted once. A resolved error that was seen after it was resolved becomes unresolved again. If a row
--   is locked for too long, nothing is counted, and the next call tries again: the dispatcher must not wait.
-- Parameters. p_limit: the maximum number of rows of error_seen. p_kept: how many errors a tenant has at most; those that were not
--   seen for the longest time are deleted.
-- Returns. How many rows of error_seen were taken.
-- Locks. error_seen, tenant (FOR KEY SHARE, so that it is not erased meanwhile), attempt (FOR SHARE, so that its task is not erased
--   meanwhile), then task_error and error_task, each in the order of its key; waits for at most 100 ms for each lock.
-- Called by. app/task_errors/store.py.
CREATE OR REPLACE FUNCTION errors_roll_up(p_limit integer, p_kept integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET lock_timeout = '100ms'
AS $$
DECLARE
    taken integer;
    grown uuid[];
    grown_tenant uuid;
    excess uuid[];
BEGIN
    WITH gone AS (
        -- The oldest rows. They are named by one bound of ids: a join of the table with its own batch may read the whole table
        -- (docs/decisions/0010-plans-whatever-statistics-know.md).
        DELETE FROM error_seen w
        WHERE w.id <= (SELECT max(o.id) FROM (SELECT id FROM error_seen ORDER BY id LIMIT p_limit) AS o)
        RETURNING w.*
    ), tenants AS MATERIALIZED (
        -- error_seen has no foreign key, so a row may be left of a tenant that is deleted. LATERAL with LIMIT: one look-up by the
        -- key for each tenant, whatever the statistics say.
        SELECT known.id FROM (SELECT DISTINCT g.tenant_id FROM gone g ORDER BY 1) AS named
        CROSS JOIN LATERAL (SELECT t.id FROM tenant t WHERE t.id = named.tenant_id LIMIT 1 FOR KEY SHARE) AS known
    ), seen AS MATERIALIZED (
        SELECT g.*, error_id(g.tenant_id, g.task, g.fingerprint) AS error_id, date_trunc('hour', g.seen_at, 'UTC') AS hour
        FROM gone g WHERE g.tenant_id IN (SELECT t.id FROM tenants t)
    ), found AS MATERIALIZED (
        SELECT s.tenant_id, s.error_id, min(s.task) AS task, min(s.type) AS type, count(*) AS occurrences,
            min(s.seen_at) AS first_seen, max(s.seen_at) AS last_seen, max(s.hour) AS hour, array_agg(s.hour) AS hours,
            (array_agg(s.task_id ORDER BY s.seen_at DESC, s.id DESC))[1] AS task_id,
            (array_agg(s.attempt ORDER BY s.seen_at DESC, s.id DESC))[1] AS attempt
        FROM seen s GROUP BY s.tenant_id, s.error_id
    ), counted AS (
        INSERT INTO task_error AS e (
            tenant_id, id, task, type, message, occurrences, first_seen, last_seen, last_task_id, hourly, hourly_until
        )
        SELECT f.tenant_id, f.error_id, f.task, f.type, (
                -- The message of the latest occurrence, found by its key. FOR SHARE: an erasure of the task comes before or
                -- after this transaction, and removes the message here too.
                SELECT a.error ->> 'message' FROM attempt a
                WHERE a.tenant_id = f.tenant_id AND a.task_id = f.task_id AND a.attempt = f.attempt LIMIT 1 FOR SHARE
            ), f.occurrences, f.first_seen, f.last_seen, f.task_id, ARRAY(
                SELECT (SELECT count(*)::integer FROM unnest(f.hours) AS u (hour) WHERE u.hour = f.hour - place * interval '1 hour')
                FROM generate_series(23, 0, -1) AS place
            ), f.hour
        FROM found f ORDER BY f.tenant_id, f.error_id
        ON CONFLICT ON CONSTRAINT task_error_pkey DO UPDATE
            SET occurrences = e.occurrences + excluded.occurrences, message = excluded.message,
                first_seen = least(e.first_seen, excluded.first_seen), last_seen = greatest(e.last_seen, excluded.last_seen),
                last_task_id = excluded.last_task_id,
                hourly = ARRAY(
                    SELECT u.before + u.new FROM unnest(
                        error_hours(e.hourly, e.hourly_until, excluded.hourly_until),
                        error_hours(excluded.hourly, excluded.hourly_until, e.hourly_until)
                    ) WITH ORDINALITY AS u (before, new, place) ORDER BY u.place
                ),
                hourly_until = greatest(e.hourly_until, excluded.hourly_until),
                status = CASE WHEN excluded.last_seen > e.resolved_at THEN 'unresolved' ELSE e.status END,
                regressed_at = CASE WHEN excluded.last_seen > e.resolved_at THEN excluded.last_seen ELSE e.regressed_at END,
                resolved_at = CASE WHEN excluded.last_seen > e.resolved_at THEN NULL ELSE e.resolved_at END,
                resolved_by = CASE WHEN excluded.last_seen > e.resolved_at THEN NULL ELSE e.resolved_by END
        -- A row that this statement has inserted has no xmax.
        RETURNING e.tenant_id, e.xmax = 0 AS is_new
    ), linked AS (
        -- The latest failed attempt of each task.
        INSERT INTO error_task AS l (tenant_id, task_id, error_id, attempt)
        SELECT DISTINCT ON (s.tenant_id, s.task_id) s.tenant_id, s.task_id, s.error_id, s.attempt
        FROM seen s ORDER BY s.tenant_id, s.task_id, s.attempt DESC
        ON CONFLICT ON CONSTRAINT error_task_pkey DO UPDATE SET error_id = excluded.error_id, attempt = excluded.attempt
        WHERE l.attempt < excluded.attempt
    )
    SELECT (SELECT count(*) FROM gone), (SELECT array_agg(DISTINCT c.tenant_id) FROM counted c WHERE c.is_new) INTO taken, grown;
    FOREACH grown_tenant IN ARRAY coalesce(grown, '{}') LOOP
        -- Rows are found first, then deleted by their keys.
        SELECT array_agg(o.id) INTO excess FROM (
            SELECT e.id FROM task_error e WHERE e.tenant_id = grown_tenant ORDER BY e.last_seen DESC, e.id OFFSET p_kept
        ) AS o;
        DELETE FROM task_error e WHERE e.tenant_id = grown_tenant AND e.id = ANY(excess);
    END LOOP;
    RETURN taken;
-- The lock of a row was not free within lock_timeout. Everything above is undone.
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END $$;
