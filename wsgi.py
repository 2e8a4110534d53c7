"""What gunicorn and `flask --app wsgi` load."""

import os

from portal.app import create_app
from portal.config import Config

app = create_app(Config.load(os.environ))
