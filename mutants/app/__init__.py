"""Generated mutants of the application: one change of its source each, judged by the tests of a running application."""
