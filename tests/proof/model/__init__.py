"""The states and the concurrency protocol of the engine, said again from its promises, to be explored exhaustively.

It imports nothing of the engine. One model serves twice: the search goes through all its states, and the stateful tests
hold the engine on a real database against the same transactions.
"""
