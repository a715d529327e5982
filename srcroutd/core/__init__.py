"""Values and pure functions: everything that decides. No await, clock, log, file or socket here."""
