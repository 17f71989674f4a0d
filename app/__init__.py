"""Task Queue Worker API: accepted means it will finish."""
