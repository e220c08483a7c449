"""One actor in two versions of its code, as two workers have them while a new one is rolled out."""
