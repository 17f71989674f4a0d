DROP FUNCTION usage_roll_up, ledger_reconcile;
REVOKE UPDATE (departed) ON tenant_slots FROM tq_api;
REVOKE SELECT (tenant_id, returned, departed) ON tenant_slots FROM tq_submit;
DROP TABLE tenant_admitted, usage_by_task, worker_time;
ALTER TABLE tenant_slots DROP COLUMN returned, DROP COLUMN departed;
REVOKE ALL ON FUNCTION usage_reserve, task_claim, task_finish FROM public;
GRANT EXECUTE ON FUNCTION usage_reserve TO tq_submit;
GRANT EXECUTE ON FUNCTION task_claim, task_finish TO tq_worker;
