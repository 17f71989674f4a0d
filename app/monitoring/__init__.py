"""Tell load balancers and health checks whether the service, or one process of it, can do its work."""
