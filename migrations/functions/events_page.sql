-- Purpose. Read pages of the event log for several readers in one statement and outside any transaction. Each reader names
--   the place after which it reads: an event's number, and the event's id as a proof that the database was not set back.
-- Parameters. One element for each reader, at the same place in every array. p_tenants: the tenant. p_after: the number of the
--   last event that was read; 0 is before the first, -1 before the oldest that is kept, -2 after the latest. p_after_ids: the
--   id of that event; all zeros if it is not known. p_since: a time before which nothing later than p_after was created.
--   p_hours: for how many hours an event can be read. p_limits: the most events of the page. p_types (event.type), p_tasks (the
--   task type), p_tags: filters, null for none. p_window: how many events a page with a filter reads at most.
-- Returns. Rows with the number of the reader (from 1), in the order of the readers. outcome is one of: event, with the columns
--   of the event and its task; page, the last row of a reader, with the place up to which the page was read (seq, id) and the
--   number of the latest event (head); lost, the only row of a reader whose next events are not kept any more or that comes
--   from another history of the database: the place before the oldest event that is kept.
-- Locks. None.
-- Called by. app/events/store.py.
CREATE OR REPLACE FUNCTION events_page(
    p_tenants uuid[], p_after bigint[], p_after_ids uuid[], p_since timestamptz[], p_hours integer[], p_limits integer[],
    p_types smallint[], p_tasks text[], p_tags text[], p_window integer
)
RETURNS TABLE (
    number integer, outcome text, head bigint, seq bigint, id uuid, type text, created_at timestamptz, attempt integer,
    subject uuid, task text, tags text, error text, data text
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    nothing CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    latest bigint;
    place bigint;
    since timestamptz;
    kept_from timestamptz;
    has_filter boolean;
    last bigint;
    found_count integer;
    row record;
BEGIN
    -- Row-level security shows rows of these tenants only, until the statement's own transaction ends.
    PERFORM set_config('app.tenant_ids', p_tenants::text, true);
    FOR i IN 1..cardinality(p_tenants) LOOP
        number := i;
        seq := NULL;
        kept_from := now() - make_interval(hours => p_hours[i]);
        since := p_since[i];
        place := p_after[i];
        outcome := 'page';
        -- Read first: every event up to this number is visible to the statements below, because numbers are taken and
        -- committed in one order (docs/decisions/0014-event-log.md).
        SELECT s.event_seq INTO latest FROM tenant_slots s WHERE s.tenant_id = p_tenants[i];
        latest := coalesce(latest, 0);
        IF place = -2 THEN
            place := latest;
        ELSIF place = -1 THEN
            place := event_oldest(p_tenants[i], latest, kept_from) - 1;
        -- Set back: the log is shorter than the place, or has another event there. Too late: the next one is not kept.
        ELSIF place > latest OR EXISTS (
            SELECT FROM event e
            WHERE p_after_ids[i] <> nothing AND e.tenant_id = p_tenants[i] AND e.seq = place AND e.created_at >= since
              AND event_id(e.tenant_id, e.seq, e.type, e.subject, e.created_at) <> p_after_ids[i]
        ) OR (place < latest AND NOT EXISTS (
            SELECT FROM event e WHERE e.tenant_id = p_tenants[i] AND e.seq = place + 1 AND e.created_at >= kept_from
        )) THEN
            outcome := 'lost';
            place := event_oldest(p_tenants[i], latest, kept_from) - 1;
        END IF;
        last := place;
        IF outcome <> 'lost' AND place < latest THEN
            has_filter := num_nonnulls(p_types[i], p_tasks[i], p_tags[i]) > 0;
            last := least(latest, place + CASE WHEN has_filter THEN p_window ELSE p_limits[i] END);
            found_count := 0;
            FOR row IN
                -- Bounded by numbers on both sides, so that no plan can read more than the window. LATERAL with LIMIT 1: the
                -- task and the attempt are found by their keys, whatever the statistics say. LEFT JOIN: an event whose task
                -- was erased meanwhile is not left out.
                SELECT e.seq, event_id(e.tenant_id, e.seq, e.type, e.subject, e.created_at) AS id,
                    event_type_name(e.type) AS type, e.created_at, e.attempt, e.subject, k.task,
                    to_json(k.tags)::text AS tags, CASE e.type WHEN 4 THEN a.error ELSE k.error END::text AS error, e.data::text AS data
                FROM event e
                LEFT JOIN LATERAL (
                    SELECT t.task, t.tags, t.error FROM task t WHERE e.type <= 4 AND t.tenant_id = e.tenant_id AND t.id = e.subject LIMIT 1
                ) AS k ON true
                LEFT JOIN LATERAL (
                    SELECT w.error FROM attempt w
                    WHERE e.type = 4 AND w.tenant_id = e.tenant_id AND w.task_id = e.subject AND w.attempt = e.attempt LIMIT 1
                ) AS a ON true
                WHERE e.tenant_id = p_tenants[i] AND e.seq > place AND e.seq <= last AND e.created_at >= since
                  AND (p_types[i] IS NULL OR e.type = p_types[i]) AND (p_tasks[i] IS NULL OR k.task = p_tasks[i])
                  AND (p_tags[i] IS NULL OR p_tags[i] = ANY(k.tags))
                ORDER BY e.seq LIMIT p_limits[i]
            LOOP
                found_count := found_count + 1;
                outcome := 'event';
                seq := row.seq;
                id := row.id;
                type := row.type;
                created_at := row.created_at;
                attempt := row.attempt;
                subject := row.subject;
                task := row.task;
                tags := row.tags;
                error := row.error;
                data := row.data;
                RETURN NEXT;
            END LOOP;
            -- A full page may end before its window does.
            IF found_count = p_limits[i] THEN last := seq; END IF;
            outcome := 'page';
        END IF;
        head := latest;
        -- The id is looked up only if it is not known: the days of the log are many tables.
        IF last = p_after[i] THEN
            id := p_after_ids[i];
        ELSIF seq IS DISTINCT FROM last THEN
            id := coalesce((
                SELECT event_id(e.tenant_id, e.seq, e.type, e.subject, e.created_at) FROM event e
                WHERE e.tenant_id = p_tenants[i] AND e.seq = last LIMIT 1
            ), nothing);
        END IF;
        seq := last;
        RETURN NEXT;
        head := NULL;
    END LOOP;
END $$;
