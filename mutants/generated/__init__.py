"""Generated mutants: each field of each object and each constraint of the values, changed."""
