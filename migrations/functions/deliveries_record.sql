-- Purpose. Record attempts that have ended: the new status of each delivery, the attempt itself and its counts, and what it says
--   about the health of its endpoint. All of it happens in one transaction, or none.
-- Parameters. An element of each array for an attempt, in the order of tenants and deliveries: p_tenants, p_ids, and p_tokens, the
--   token of the claim; p_statuses, the delivery's new status; p_delays, the time until the next attempt; p_starts;
--   p_durations, in milliseconds; p_responses, the HTTP status; p_errors; p_bodies, the beginning of the answer; p_endpoints, all zeros
--   for a webhook_url; p_types, p_classes, p_firsts and p_places as webhook_stat_count has them; p_tests, whether it was a test,
--   which neither counts nor says anything about the endpoint. p_buckets: the number of buckets of a histogram. p_failing_after
--   and p_disabled_after as endpoint_failed has them.
-- Returns. The id of each delivery whose token was still valid, and whether endpoint_failed is to be called: an event may follow.
-- Locks. endpoint, if its health changes, then delivery, each in the order of their keys; then webhook_stat. It waits for one lock for
--   1 s at most.
-- Called by. app/webhooks/attempt_store.py.
CREATE OR REPLACE FUNCTION deliveries_record(
    p_tenants uuid[], p_ids uuid[], p_tokens uuid[], p_statuses text[], p_delays interval[], p_starts timestamptz[],
    p_durations integer[], p_responses integer[], p_errors text[], p_bodies text[], p_endpoints uuid[], p_types text[],
    p_classes text[], p_firsts boolean[], p_places integer[], p_tests boolean[], p_buckets integer,
    p_failing_after interval, p_disabled_after interval
)
RETURNS TABLE (id uuid, may_tell boolean)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    none constant uuid := '00000000-0000-0000-0000-000000000000';
    one record;
    telling uuid[] := '{}';
    counted integer[] := '{}';
BEGIN
    -- The commit does not wait for the disk. If a crash undoes it, these events are sent once more, with the same ids. A row that
    -- somebody holds for long raises an error: the others of the group, of other tenants, must not wait for it.
    PERFORM set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '1s', true);
    -- Of each endpoint once, whatever its number of attempts. Most endpoints answer, or have failed before: then nothing is written.
    FOR one IN
        SELECT a.tenant_id, a.endpoint_id, bool_or(a.status = 'DELIVERED') AS has_answered, e.enabled, e.failing_since, e.failing_told_at
        FROM unnest(p_tenants, p_endpoints, p_statuses, p_tests) AS a (tenant_id, endpoint_id, status, is_test)
        CROSS JOIN LATERAL (
            SELECT p.enabled, p.failing_since, p.failing_told_at FROM endpoint p
            WHERE p.tenant_id = a.tenant_id AND p.id = a.endpoint_id LIMIT 1
        ) AS e
        WHERE a.endpoint_id <> none AND NOT a.is_test
        GROUP BY 1, 2, 4, 5, 6 ORDER BY 1, 2
    LOOP
        IF one.has_answered THEN
            IF one.failing_since IS NOT NULL THEN
                UPDATE endpoint p SET failing_since = NULL, failing_told_at = NULL
                WHERE p.tenant_id = one.tenant_id AND p.id = one.endpoint_id;
            END IF;
        ELSIF one.enabled AND one.failing_since IS NULL THEN
            UPDATE endpoint p SET failing_since = now()
            WHERE p.tenant_id = one.tenant_id AND p.id = one.endpoint_id AND p.enabled AND p.failing_since IS NULL;
        ELSIF one.enabled AND (one.failing_since <= now() - p_disabled_after
                OR (one.failing_told_at IS NULL AND one.failing_since <= now() - p_failing_after)) THEN
            telling := telling || one.endpoint_id;
        END IF;
    END LOOP;
    FOR i IN 1..cardinality(p_ids) LOOP
        -- By the key; IS TRUE keeps the partial indexes of waiting deliveries out. A row that somebody else holds is waited for, for a second.
        WITH attempted AS (
            UPDATE delivery d SET status = p_statuses[i], claim_token = NULL,
                due_at = CASE p_statuses[i] WHEN 'PENDING' THEN now() + p_delays[i] ELSE d.due_at END,
                finished_at = CASE p_statuses[i] WHEN 'PENDING' THEN NULL ELSE now() END
            WHERE d.tenant_id = p_tenants[i] AND d.id = p_ids[i] AND d.claim_token = p_tokens[i] AND (d.status = 'PENDING') IS TRUE
            RETURNING d.tenant_id, d.id, d.attempt
        )
        INSERT INTO delivery_attempt
            (tenant_id, delivery_id, attempt, started_at, duration_ms, response_status, error, response_body)
        SELECT m.tenant_id, m.id, m.attempt, p_starts[i], p_durations[i], p_responses[i], p_errors[i], p_bodies[i] FROM attempted m;
        CONTINUE WHEN NOT FOUND;
        IF NOT p_tests[i] THEN counted := counted || i; END IF;
        id := p_ids[i];
        may_tell := p_endpoints[i] = ANY(telling);
        RETURN NEXT;
    END LOOP;
    IF counted <> '{}' THEN
        PERFORM webhook_stat_count(
            array_agg(p_tenants[n]), array_agg(p_endpoints[n]), array_agg(p_types[n]), array_agg(p_classes[n]),
            array_agg(p_firsts[n]), array_agg(p_places[n]), p_buckets) FROM unnest(counted) AS c (n);
    END IF;
END $$;
