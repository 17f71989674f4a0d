-- Purpose. Return the id of an event. It is computed and not stored: a UUIDv7 of the event's time and a hash of its columns.
--   After a database was restored to an earlier state, a new event may get the number of a lost one; its id is different.
-- Parameters. p_tenant, p_seq, p_type, p_subject, p_created_at: the columns of event.
-- Returns. The id.
-- Locks. None.
-- Called by. webhook_fan_out, events_page.
CREATE OR REPLACE FUNCTION event_id(
    p_tenant uuid, p_seq bigint, p_type smallint, p_subject uuid, p_created_at timestamptz
)
RETURNS uuid
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM p_created_at) * 1000)::bigint), 12, '0') || '7' || substr(h.hash, 1, 3)
            || '8' || substr(h.hash, 4, 15))::uuid
    FROM (
        SELECT encode(sha256(convert_to(concat_ws(' ', p_tenant, p_seq, p_type, p_subject,
            (extract(epoch FROM p_created_at) * 1000000)::bigint), 'UTF8')), 'hex') AS hash
    ) AS h
$$;
