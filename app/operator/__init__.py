"""The pages of the operator: a process of its own, which alone of all servers has tq_admin's connection."""
