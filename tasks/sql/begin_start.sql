-- Bounds the wait for other starts in this transaction; tells the bound that stood before, and the isolation.
-- The list is evaluated from left to right.
SELECT
    current_setting('lock_timeout'),
    current_setting('transaction_isolation'),
    set_config('lock_timeout', %(lock_timeout)s, TRUE)
