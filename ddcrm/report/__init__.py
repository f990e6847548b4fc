"""The report of a day: figures that people expect, and the page that holds them."""
