-- What was reported of a task's latest attempt stands in the task itself.
ALTER TABLE task ADD COLUMN progress jsonb;
ALTER TABLE task DISABLE TRIGGER task_terminal;
UPDATE task k SET progress = a.progress FROM attempt a
WHERE a.tenant_id = k.tenant_id AND a.task_id = k.id AND a.attempt = k.attempt AND a.progress IS NOT NULL;
ALTER TABLE task ENABLE TRIGGER task_terminal;
ALTER TABLE attempt DROP COLUMN progress;
