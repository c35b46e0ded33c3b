"""The machine room: PostgreSQL, unit of work, jobs, outbox, settings, telemetry."""
