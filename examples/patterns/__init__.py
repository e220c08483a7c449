"""Five workflows that go on where something fails, waits or repeats; `docs/failures.md` explains them."""
