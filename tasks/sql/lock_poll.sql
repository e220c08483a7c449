-- Waits for another poll of the same worker name, and keeps later ones waiting until this transaction ends. In a
-- statement of its own: what is read after it sees what that poll has claimed.
SELECT pg_advisory_xact_lock(hashtextextended(%(worker)s, 0))
