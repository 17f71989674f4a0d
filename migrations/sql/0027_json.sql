-- What a task was asked, and what it returned, as the text that came: jsonb wrote a float as its digits (1e308 as 309 of
-- them, which no submit would take), knew no -0.0, and sorted the members. Both tables are written anew.
ALTER TABLE task ALTER COLUMN payload TYPE json USING payload::json;
ALTER TABLE result ALTER COLUMN result TYPE json USING result::json;

-- The functions that write them or hand them on, as they are by now, with the other type.
CREATE FUNCTION pg_temp.retype(p_name text, p_before text, p_after text, p_returns_another boolean) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    definition text := pg_get_functiondef(to_regproc(p_name));
    retyped text := replace(definition, p_before, p_after);
BEGIN
    IF retyped = definition THEN
        RAISE EXCEPTION '% does not say %', p_name, p_before;
    END IF;
    IF p_returns_another THEN EXECUTE format('DROP FUNCTION %I', p_name); END IF;
    EXECUTE retyped;
END $$;
SELECT pg_temp.retype('tasks_accept', 'i.payload::jsonb', 'i.payload::json', false),
    pg_temp.retype('attempts_finish', 'coalesce(e.result, ''null'')::jsonb', 'coalesce(e.result, ''null'')::json', false),
    pg_temp.retype('tasks_claim', ' payload jsonb,', ' payload json,', true);
DROP FUNCTION pg_temp.retype;
REVOKE ALL ON FUNCTION tasks_claim FROM public;
GRANT EXECUTE ON FUNCTION tasks_claim TO tq_worker;
