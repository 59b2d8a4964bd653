"""The endpoints for monitors and load balancers."""
