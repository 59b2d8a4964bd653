"""For monitors and load balancers."""
