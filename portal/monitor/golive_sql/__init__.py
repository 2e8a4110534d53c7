"""The script for a database console that brings any database to this release: made from the migrations."""
