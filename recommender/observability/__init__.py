"""What is recorded about requests: times and counts by stage, and the fields of log lines."""
