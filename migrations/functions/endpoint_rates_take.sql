-- Purpose. Take attempts from the rates of endpoints, so that all processes together keep to them.
-- Parameters. p_tenants, p_endpoints: the endpoints, in the order of their keys. p_wanted: how many attempts each is to get.
--   p_burst: the time after which attempts that were not taken are lost, or the time between two if that is longer.
-- Returns. A row for each endpoint: how many attempts it may get now (granted), and the seconds until it may get the next one.
-- Locks. endpoint, in the order of the arrays.
-- Called by. app/webhooks/endpoint_state_store.py.
CREATE OR REPLACE FUNCTION endpoint_rates_take(p_tenants uuid[], p_endpoints uuid[], p_wanted integer[], p_burst interval)
RETURNS TABLE (endpoint_id uuid, granted integer, wait_seconds double precision)
LANGUAGE plpgsql
AS $$
DECLARE
    at record;
    between interval;
    starts timestamptz;
BEGIN
    FOR i IN 1..cardinality(p_endpoints) LOOP
        endpoint_id := p_endpoints[i];
        granted := p_wanted[i];
        wait_seconds := 0;
        SELECT e.rate_per_second, e.rate_until INTO at FROM endpoint e
        WHERE e.tenant_id = p_tenants[i] AND e.id = p_endpoints[i] FOR NO KEY UPDATE;
        IF at.rate_per_second IS NOT NULL THEN
            between := make_interval(secs => 1.0 / at.rate_per_second);
            -- What was not taken before is lost, so attempts are spread, and no second gets many more than its share.
            starts := greatest(at.rate_until, clock_timestamp() - greatest(between, p_burst));
            granted := least(granted, floor(extract(epoch FROM clock_timestamp() - starts) * at.rate_per_second)::integer);
            granted := greatest(granted, 0);
            starts := starts + granted * between;
            wait_seconds := greatest(extract(epoch FROM starts + between - clock_timestamp())::double precision, 0);
            UPDATE endpoint e SET rate_until = starts WHERE e.tenant_id = p_tenants[i] AND e.id = p_endpoints[i];
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
