"""The environment variables that the peer `als_redis` is set up by."""

FACTORS, REDIS_URL, KEEP_MS = "PEER_FACTORS", "PEER_REDIS_URL", "PEER_KEEP_MS"
