"""The Evolution Portal: WhatsApp numbers of many branches, run through Evolution API v2."""

__version__ = "0.1.0"
