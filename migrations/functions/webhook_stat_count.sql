-- Purpose. Count attempts of deliveries in the buckets of their minute, hour and day. Attempts that are alike become one change of a
--   row, however many they are. No reader has to add up smaller buckets, and no later step has to roll them up.
-- Parameters. An element of each array for an attempt: p_tenants; p_endpoints, all zeros for a webhook_url; p_types, the name of the
--   event's type; p_classes, the class of the answer (webhook_stat.status_class); p_firsts, whether it was the first attempt of its
--   delivery; p_places, the bucket of its duration in the histogram, from 1. p_buckets: the number of buckets of a histogram.
-- Returns. Nothing.
-- Locks. webhook_stat, in the order of its key, so that two callers cannot deadlock.
-- Called by. deliveries_record.
CREATE OR REPLACE FUNCTION webhook_stat_count(
    p_tenants uuid[], p_endpoints uuid[], p_types text[], p_classes text[], p_firsts boolean[], p_places integer[], p_buckets integer
)
RETURNS void
LANGUAGE sql
AS $$
    WITH alike AS MATERIALIZED (
        SELECT a.tenant_id, a.endpoint_id, a.event_type, a.status_class, count(*)::integer AS attempts,
            count(*) FILTER (WHERE a.is_first)::integer AS first_attempts, array_agg(a.place) AS places
        FROM unnest(p_tenants, p_endpoints, p_types, p_classes, p_firsts, p_places)
            AS a (tenant_id, endpoint_id, event_type, status_class, is_first, place)
        GROUP BY 1, 2, 3, 4
    ), counted AS MATERIALIZED (
        SELECT k.*, ARRAY(
            SELECT (SELECT count(*)::integer FROM unnest(k.places) AS p (place) WHERE p.place = n) FROM generate_series(1, p_buckets) AS n
        ) AS histogram
        FROM alike k
    )
    INSERT INTO webhook_stat AS w
        (tenant_id, bucket, at, endpoint_id, event_type, status_class, attempts, first_attempts, histogram)
    SELECT c.tenant_id, b.bucket, date_trunc(b.bucket, now(), 'UTC'), c.endpoint_id, c.event_type, c.status_class, c.attempts,
        c.first_attempts, c.histogram
    FROM counted c CROSS JOIN (VALUES ('day'), ('hour'), ('minute')) AS b (bucket)
    ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT ON CONSTRAINT webhook_stat_pkey DO UPDATE
        SET attempts = w.attempts + excluded.attempts, first_attempts = w.first_attempts + excluded.first_attempts,
            histogram = ARRAY(
                SELECT h.before + h.more FROM unnest(w.histogram, excluded.histogram) WITH ORDINALITY AS h (before, more, n) ORDER BY h.n
            )
$$;
