"""What scripts/chaos and scripts/bench-outbox have in common: a broker, a bad link, a consumer that counts."""
