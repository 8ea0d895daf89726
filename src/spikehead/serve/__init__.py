"""A service that anyone can teach: an HTTP interface, and a page that uses it."""
