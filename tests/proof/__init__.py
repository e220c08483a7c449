"""The proof: the promises of the engine, checked by machine against its whole behaviour.

    language      what a generated flow may say, and how a value is compared: nonces apart
    flows         makes flows at random (drafts: a body while it is written)
    evaluating    what must come out of a flow, by the rules of failure alone
    history       what happened, line by line, outside of the engine's tables
    workload/     the Django app that runs flows on the engine, its recorder, its moments, client and steering
    walking       drives the workload in this process, for tests

Nothing in `language`, `flows`, `evaluating` and `history` imports the engine: whoever checks may use them.
"""
