"""Data-driven CRM: from sources to customer segments and value scores in the warehouse."""

__version__ = "0.1.0"
