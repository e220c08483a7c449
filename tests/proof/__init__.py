"""The proof: the promises of the engine, checked by machine against its whole behaviour.

`flows` makes processes of random shapes in the `language` of flows, `evaluating` tells what must come out of one,
`workload` runs them on the engine and writes down everything that happens in a `history`, and whoever checks reads
the histories and the rows that are left.
"""
