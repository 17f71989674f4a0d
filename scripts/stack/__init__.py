"""Makes the environment, runs the servers and the application's processes, and stops them again."""
