"""The checker: reads what a run wrote down and the rows that it left, and decides whether every promise was kept.

It imports nothing of the engine and nothing of Django. `reading` makes `records` of files and rows, `story` puts them
in order (`attempts`, `calls`, `keys`, `windows`, `values`), each other module is one check, `checking` runs them all:

starts      what starts were answered is true, and nothing exists that nobody started
ends        every process is final or says why not; what came out is what its flow comes to, task by task
outcomes    one accepted outcome a task, that of one of its attempts, and everybody was handed that
decisions   each was applied once and whole, with its options and dependencies
effects     transactional ones exactly once, others at least once
order       nothing ran before what it depends on, nor before its time
standing    nothing was handed out in a standstill or a block
leases      attempts have no gaps and no overlaps, and each was used once
tries       rows count what the histories say
timeouts    none came early
lateness    none came much too late
overdue     none stayed away
counters    counters equal what they count, states fit together
audit       events explain each state, refused deliveries left theirs
acts        accepted acts have one audit record, refused none, repeated ones the first

What it cannot see: how late something came within the minutes that `lateness` allows; what a
process did between a COMMIT and the line that it did not live to write, but for what the rows and events tell of it;
what a claim took whose statement ran at the very moment of a pause or a block, which is allowed to; and whether a lease
was lost alone where the only one to know it was killed (see `tries`).
"""
