"""What every room may use and which knows no room."""
