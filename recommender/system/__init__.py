"""The machine that the service runs on: time, threads, files, memory, cores and compiled code."""
