"""Clients of the application: HTTP requests, a browser, and queries of its database."""
