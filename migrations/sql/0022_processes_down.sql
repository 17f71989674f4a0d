ALTER TABLE worker DROP COLUMN pid;
DROP TABLE process_heartbeat;
