-- Run once by the Postgres of compose.yaml, when its folder is made: the owner of the application's database, which is no
-- superuser, and a cluster in which the application's roles reach that database alone.
CREATE ROLE taskqueue LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB CREATEROLE PASSWORD :'owner_password';
CREATE DATABASE taskqueue OWNER taskqueue;
REVOKE ALL ON DATABASE postgres, template1, taskqueue FROM public;

\connect taskqueue
-- Large objects belong to no table and have no bound. Only a superuser may take this right from everybody.
DO $$
DECLARE
    writing record;
BEGIN
    FOR writing IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
          AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_open', 'lo_put', 'lowrite', 'lo_import')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM public', writing.name);
    END LOOP;
END $$;
