"""The API described in OpenAPI 3.1, and a page to read it on."""
