-- The database and its owner. Run once as Postgres's superuser, with the owner's password on the standard input:
-- psql --set ON_ERROR_STOP=1 --file roles.sql </etc/taskqueue/owner_password
\prompt '' owner_password
\ir ../compose/owner.sql
