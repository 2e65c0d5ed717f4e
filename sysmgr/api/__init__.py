"""The API kit: gate, envelopes, errors, strict JSON, idempotency."""
