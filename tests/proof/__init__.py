"""The proof: the promises of the engine, checked by machine against its whole behaviour.

    language      what a generated flow may say, and how a value is compared: nonces apart
    flows         makes flows at random (drafts: a body while it is written)
    evaluating    what must come out of a flow, by the rules of failure alone
    history       what happened, line by line, outside of the engine's tables
    workload/     the Django app that runs flows on the engine, its recorder, its moments, client and steering
    walking       drives the workload in this process, for tests
    checker/      reads histories and the rows that are left, and decides
    matrix/       faults x moments on installations of their own (`make proof`); chaos: all at random (`make chaos`)
    model/        states and concurrency said again in small, and all their worlds searched
    stateful/     the model and the engine side by side, step by step
    mutants/      bugs planted on purpose, and what catches each (`make proof-of-proof`)

Nothing in `language`, `flows`, `evaluating`, `history`, `checker` and `model` imports the engine.
"""
