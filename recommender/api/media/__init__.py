"""Media, the same for everybody: popular ones, and those like one."""
