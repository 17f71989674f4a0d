-- Purpose. Return the id of the delivery of an event to an endpoint. It is computed, so that an event which is fanned out twice
--   still has one delivery for each endpoint. It begins with the event's time, as a UUIDv7, so deliveries are in that order.
-- Parameters. p_event: the event's id. p_endpoint: the endpoint; null for a task's webhook_url.
-- Returns. The id; for a webhook_url the event's own.
-- Locks. None.
-- Called by. webhook_fan_out, events_missing, events_replay.
CREATE OR REPLACE FUNCTION delivery_id(p_event uuid, p_endpoint uuid)
RETURNS uuid
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN p_endpoint IS NULL THEN p_event ELSE (
        SELECT (left(p_event::text, 13) || '-7' || substr(h.hash, 1, 3) || '-8' || substr(h.hash, 4, 3) || '-' || substr(h.hash, 7, 12))::uuid
        FROM (SELECT encode(sha256(convert_to(concat_ws(' ', p_event, p_endpoint), 'UTF8')), 'hex') AS hash) AS h
    ) END
$$;
