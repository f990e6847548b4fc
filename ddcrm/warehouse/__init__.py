"""The warehouse: what the business reads (schema crm) and what the engineer reads (schema ops), in PostgreSQL."""
