"""The application as its users see it: over HTTP, in a browser, and through its database rows."""
