ALTER TABLE attempt ADD COLUMN progress jsonb;
UPDATE attempt a SET progress = k.progress FROM task k
WHERE k.tenant_id = a.tenant_id AND k.id = a.task_id AND k.attempt = a.attempt AND k.progress IS NOT NULL;
ALTER TABLE task DROP COLUMN progress;
