DROP FUNCTION tasks_claim, attempts_finish, tasks_accept, task_statuses, slots_judge_long, usage_roll_up,
    ledger_reconcile, slots_cap;
DROP TABLE pool_slots, long_task_type;
DROP INDEX backlog_long, tenant_slots_capped;
REVOKE SELECT (running, running_asyncio, cap_prefork, cap_asyncio), UPDATE (cap_prefork, cap_asyncio)
    ON tenant_slots FROM tq_submit;
REVOKE SELECT (task) ON task FROM tq_dispatch;
ALTER TABLE backlog DROP COLUMN is_long;
ALTER TABLE tenant_slots DROP COLUMN running_asyncio, DROP COLUMN cap_prefork, DROP COLUMN cap_asyncio,
    DROP COLUMN short_until_prefork, DROP COLUMN short_until_asyncio, DROP COLUMN held_back;
