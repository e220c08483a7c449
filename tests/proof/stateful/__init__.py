"""The engine on a real database, held against the model step by step."""
