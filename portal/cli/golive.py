"""Operators' commands for a release that goes live: `flask --app wsgi golive …`."""

from flask.cli import AppGroup

golive_group = AppGroup("golive", help="From the database script to the watched first hour.")
