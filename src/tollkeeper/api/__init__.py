"""Face: REST under /api/v1, its OpenAPI document and reference page."""
