"""Tell what happened to a tenant's tasks over time: counts, waits and run times in minutes, hours and days."""
