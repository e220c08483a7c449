-- For the rest of the transaction: no table is read from its beginning, whatever the statistics say. While much is
-- being deleted they are always behind, and what was deleted last still lies at the beginning.
SELECT set_config('enable_seqscan', 'off', TRUE), set_config('enable_bitmapscan', 'off', TRUE)
