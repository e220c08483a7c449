-- Puts back the caller's own bound: what SET LOCAL sets survives a released savepoint.
SELECT set_config('lock_timeout', %(lock_timeout)s, TRUE)
