"""A page to look at recommendations: server-rendered, for engineers and product owners."""
